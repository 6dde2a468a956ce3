"""Time steppers of a batch of films, each film with its own time and step."""
