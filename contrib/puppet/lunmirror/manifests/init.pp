# Redundant storage from two iSCSI servers, kept by lunmirror (docs/handoff.md).
#
# @param configuration the text of lunmirror.toml
# @param secrets       name of a file below secrets/ => the secret that it holds
# @param install       whether the package is installed here
class lunmirror (
  String[1] $configuration,
  Hash[String[1], Variant[String[1], Sensitive[String[1]]]] $secrets = {},
  String[1] $package = 'lunmirror',
  Boolean $install = true,
  Boolean $timer = true,
  Pattern[/^\//] $program = '/usr/bin/lunmirror',
) {
  if $install {
    package { $package: ensure => installed, before => File['/etc/lunmirror'] }
  }
  file { '/etc/lunmirror': ensure => directory, owner => 'root', group => 'root', mode => '0755' }
  file { '/etc/lunmirror/secrets': ensure => directory, owner => 'root', group => 'root', mode => '0700' }
  $secrets.each |$name, $secret| {
    $plain = $secret ? { Sensitive => $secret.unwrap, default => $secret }
    file { "/etc/lunmirror/secrets/${name}":
      owner     => 'root',
      group     => 'root',
      mode      => '0600',
      show_diff => false,
      content   => Sensitive("${plain.chomp}\n"),
      before    => File['/etc/lunmirror/lunmirror.toml'],
    }
  }
  # What is not valid never replaces what is.
  file { '/etc/lunmirror/lunmirror.toml':
    owner        => 'root',
    group        => 'root',
    mode         => '0600',
    content      => $configuration,
    validate_cmd => "${program} check %",
  }
  # 0: nothing to do; 3: in service, redundancy not full. `plan` changes nothing, so that --noop is a true one.
  # In ASCII: run in the locale C, Puppet fails on other output.
  exec { 'lunmirror pass':
    command     => "${program} apply --lock-wait 120s",
    unless      => "${program} plan --log-level critical",
    environment => ['LC_ALL=C'],
    returns     => [0, 3],
    timeout     => 900,
    require     => File['/etc/lunmirror/lunmirror.toml'],
  }
  if $timer {
    service { 'lunmirror.timer': ensure => running, enable => true, require => Exec['lunmirror pass'] }
    service { 'lunmirror.service': enable => true, require => Exec['lunmirror pass'] }
  }
}
