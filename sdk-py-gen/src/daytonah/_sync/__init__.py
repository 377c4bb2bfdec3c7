# Made from ../_async by make_sync.py. Not edited.
