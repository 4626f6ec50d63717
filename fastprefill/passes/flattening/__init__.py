"""Steps of the pass ``flatten``, in the order in which it takes them."""
