"""Shop reviews: is the product recommended, and how is it rated, from a text and a table."""
