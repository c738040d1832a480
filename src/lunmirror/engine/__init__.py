"""The pass and what it is made of: what is desired and seen (model), the loop (reconcile), its rules (gate), its hands
(execute), its memory (journal). Imports nothing on import."""
