"""The jobs themselves, apart from whatever runs them."""
