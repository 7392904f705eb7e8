"""The class tier of data/model-policy/allow.toml: reads an installed scikit-learn, prints an entry per module with the classes
that run nothing of their own when they are unpickled; what is left out, and why, goes to standard error.

A class is listed when every method that unpickling can reach is one of JUDGED, which were read, or Python's own: BUILD calls
__setstate__ (or, where there is none, fills __dict__), making calls __new__, a look-up that fails calls __getattr__, a key of a
dict calls __hash__ and __eq__, the end of it calls __del__. What NumPy takes for an array is asked for its length, its items and
numbers. And nothing is listed whose __call__ calls on: it would lead from any call to methods of the file's choosing.

Setters are not judged: a second state reaches them, and the machine tells one as odd (`Machine::build`). So it tells a state that
is anything but a dict which the stream has made: its `pop` or `items` would be called.
"""
import collections, importlib, inspect, pkgutil, sys, warnings

import sklearn

warnings.filterwarnings("ignore")
REACHED = (
    "__setstate__", "__new__", "__getattr__", "__getattribute__", "__setattr__", "__hash__", "__eq__", "__del__", "__call__",
    "__iter__", "__next__", "__len__", "__bool__", "__index__", "__int__", "__float__", "__array__",
)
# Read in scikit-learn 1.9.1: each takes attributes from the state, compares versions or numbers. Two call methods of attributes,
# named here: the machine demands arrays there, and that nothing stands in the way of the method (`Machine::is_refused`).
JUDGED = {
    "sklearn._loss.loss.ArrayAPILossMixin.__call__",  # computes with arrays
    "sklearn._loss.loss.BaseLoss.__call__",  # calls `closs.loss` with arrays by keywords: a compiled loss, or nothing listed
    "sklearn._loss.link.Interval.__eq__",  # a dataclass of numbers
    "sklearn.compose._column_transformer.make_column_selector.__call__",  # asks a table for its columns
    "sklearn.ensemble._base.BaseEnsemble.__iter__",  # iterates over a list
    "sklearn.ensemble._base.BaseEnsemble.__len__",  # length of a list
    "sklearn.base.BaseEstimator.__setstate__",  # pops the version from the dict, warns, updates __dict__
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor.__setstate__",  # updates __dict__, calls `nodes.astype`
    *(
        f"sklearn.gaussian_process.kernels.{kernel}.__call__"  # computes with numbers; two parts are called, which are kernels
        for kernel in (
            "ConstantKernel", "DotProduct", "ExpSineSquared", "Kernel", "Matern",
            "Product", "RBF", "RationalQuadratic", "Sum", "WhiteKernel",
        )
    ),
    "sklearn.gaussian_process.kernels.Kernel.__eq__",  # compares type and parameters
    "sklearn.gaussian_process.kernels.KernelOperator.__eq__",  # compares both parts
    "sklearn.impute._iterative._ImputerTriplet.__new__",  # a namedtuple
    "sklearn.pipeline.Pipeline.__len__",  # length of a list
    "sklearn.isotonic.IsotonicRegression.__setstate__",  # updates __dict__, makes an interpolation of what NumPy takes for arrays
}


def unread(kind):
    for base in kind.__mro__:
        if not base.__module__.split(".")[0] == "sklearn":
            if base.__module__ not in ("builtins", "abc", "collections"):
                yield f"inherits from {base.__module__}.{base.__qualname__}"
            continue
        for name, member in vars(base).items():
            told = f"{base.__module__}.{base.__qualname__}.{name}"
            reached = name in REACHED and not (name == "__hash__" and member is None)
            if reached and told not in JUDGED:
                yield told


modules = collections.defaultdict(list)
for found in pkgutil.walk_packages(sklearn.__path__, "sklearn."):
    if any(part in ("tests", "callback", "conftest", "datasets", "externals", "utils") for part in found.name.split(".")):
        continue
    try:
        module = importlib.import_module(found.name)
    except Exception as error:
        print(f"not imported: {found.name}: {error}", file=sys.stderr)
        continue
    for name, kind in vars(module).items():
        if not inspect.isclass(kind) or kind.__module__ != found.name or issubclass(kind, (BaseException, type)):
            continue
        why = list(unread(kind))
        is_compiled = not (getattr(module, "__file__", "") or "").endswith(".py")
        if is_compiled:
            why.append("compiled: its own entry, by hand")
        if why:
            print(f"left out: {found.name}.{name}: {', '.join(sorted(set(why)))}", file=sys.stderr)
        else:
            modules[found.name].append(name)
for module, names in sorted(modules.items()):
    listed = ", ".join(f'"{name}"' for name in sorted(names))
    print(f'\n[[allow]]\nmodule = "{module}"\nnames = [{listed}]\nuses = ["new", "build"]')
    print(f'source = "scikit-learn {sklearn.__version__}, read by crates/model/peers/classes.py: takes a dict of attributes"')
