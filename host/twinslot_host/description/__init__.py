"""The description of the management APIs, made of their routes: the OpenAPI document and the reference page."""
