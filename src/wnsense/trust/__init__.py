"""Questions about an answer: certificate, identifiability, standard errors and agreement."""
