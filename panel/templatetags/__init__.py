"""The words that the templates of the panel know."""
