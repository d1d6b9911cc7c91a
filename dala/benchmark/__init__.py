"""How good the explanation methods are where the evidence is known."""
