"""Workers held against people: published moments of labor supply, and the same of any workers.

The names of `__all__`, each imported from its module when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
