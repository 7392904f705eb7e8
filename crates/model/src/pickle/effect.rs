//! Room `model`, pickle: a callee by name -> what it does with its arguments, where the machine has to follow it. Whether it may
//! be called at all is the policy's.

/// What a known callee does with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing that is followed.
    Plain,
    /// `_reconstructor(class, base, ...)`: makes an object of its first argument, by way of its second.
    Reconstructs,
    /// `f(class, ...)`: makes an object of its first argument.
    MakesFirst,
    /// `__generator_ctor(x, f)`, `__bit_generator_ctor(class)`: calls what it is handed.
    CallsArguments,
    /// `defaultdict(factory)`: calls its first argument later.
    Factory,
    /// `_rebuild_from_type_v2(f, class, arguments, state)`: calls its first argument, makes its second.
    FromType,
    /// `encode(text, encoding)`: an encoding is looked up as a module.
    Encode,
    /// `type(name, bases, attributes)`: makes a class, with methods of the stream's choosing.
    Type,
    /// `_rebuild_tensor_v2(storage, offset, size, stride, ...)`: a view of a storage.
    Tensor,
    /// `numpy.dtype(text, ...)`: objects may stand in arrays of it.
    Dtype,
    /// joblib's stand-in for an array: its bytes follow in the file.
    ArrayWrapper,
    /// joblib's stand-in for an array in another file.
    FileWrapper,
    /// `getattr(class, text)`: a look-up.
    Gets,
    /// `ZoneInfo._unpickle(key, from_cache)`: reads the rules of a zone, by the key that is its name.
    Zone,
}

impl Effect {
    pub(super) fn of(module: &str, name: &str) -> Self {
        match (module, name) {
            ("copyreg", "_reconstructor") | ("numpy.ma.core", "_mareconstruct") => Self::Reconstructs,
            ("copyreg", "__newobj__" | "__newobj_ex__")
            | ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct")
            | ("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence")
            | ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked")
            | ("pandas.core.indexes.base", "_new_Index")
            | ("pandas.core.indexes.datetimes", "_new_DatetimeIndex")
            | ("pandas.core.indexes.interval", "_new_IntervalIndex")
            | ("sklearn._loss._loss", "__pyx_unpickle_CyHalfMultinomialLoss")
            | (
                "sklearn.metrics._dist_metrics"
                | "sklearn.neighbors._ball_tree"
                | "sklearn.neighbors._kd_tree",
                "newObj",
            ) => Self::MakesFirst,
            ("numpy.random._pickle", "__bit_generator_ctor" | "__generator_ctor" | "__randomstate_ctor") => {
                Self::CallsArguments
            }
            ("collections", "defaultdict") => Self::Factory,
            ("torch._tensor", "_rebuild_from_type_v2") => Self::FromType,
            ("builtins", "getattr") => Self::Gets,
            ("builtins", "type") => Self::Type,
            ("numpy", "dtype") => Self::Dtype,
            (JOBLIB | OLD_JOBLIB, "NumpyArrayWrapper") => Self::ArrayWrapper,
            (JOBLIB | OLD_JOBLIB | "joblib.numpy_pickle_compat", "NDArrayWrapper" | "ZNDArrayWrapper") => {
                Self::FileWrapper
            }
            ("_codecs", "encode") => Self::Encode,
            ("zoneinfo", "ZoneInfo._unpickle") => Self::Zone,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3") => Self::Tensor,
            _ => Self::Plain,
        }
    }
}

const JOBLIB: &str = "joblib.numpy_pickle";
/// As scikit-learn carried it until 0.22.
const OLD_JOBLIB: &str = "sklearn.externals.joblib.numpy_pickle";
