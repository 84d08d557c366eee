"""Study of smooth activations and of activations with a kink, beside theory for smooth ones."""
