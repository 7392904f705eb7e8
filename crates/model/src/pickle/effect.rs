//! Room `model`, pickle: a callee by name -> what it does with its arguments, where the machine has to follow it. Whether it may
//! be called at all is the policy's; what it does stands beside that in the same data, so that no name is allowed without it.

use serde::Deserialize;

use crate::policy::Policy;

/// What a known callee does with its arguments, by its word in `data/model-policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Effect {
    /// Nothing that is followed: what is made is of the callee's own class, and nothing that it is handed is called.
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
    /// `_rebuild_parameter_with_state(..., state)`: sets attributes by its fourth argument.
    SetsState,
    /// `set(items)`: a value made of what it is handed, by methods of that; what is in it stands nowhere in the stream.
    Value,
    /// A tuple with names: `__new__` takes its items, and does nothing with them.
    Items,
    /// `dict(pairs)`: a value that is a mapping.
    Mapping,
    /// `_new_Index(class, attributes)`: as `makes-first`, with texts among what it is handed that may name a file.
    MakesIndex,
    /// `_unpickle_block(values, placement, ndim)`: a part of a table, by its place.
    Block,
    /// `BlockManager(blocks, axes)`: a table; it takes state as well, and believes it.
    Table,
    /// `encode(text, encoding)`: an encoding is looked up as a module.
    Encode,
    /// `type(name, bases, attributes)`: makes a class, with methods of the stream's choosing.
    #[serde(skip)]
    Type,
    /// `_rebuild_tensor_v2(storage, offset, size, stride, ...)`: a view of a storage.
    Tensor,
    /// `numpy.dtype(text, ...)`: objects may stand in arrays of it.
    Dtype,
    /// `_convert_to_stringdtype_kwargs(coerce, na_object)`: a dtype, whose arrays write their items out.
    Strings,
    /// `scalar(dtype, bytes)`: a number, or what it is handed where the dtype is one of objects.
    Scalar,
    /// Calls methods of what it is handed, when it is called: it may stand in a search and nowhere else.
    Scorer,
    /// joblib's stand-in for an array: its bytes follow in the file.
    ArrayWrapper,
    /// joblib's stand-in for an array in another file.
    FileWrapper,
    /// `getattr(class, text)`: a look-up.
    #[serde(skip)]
    Gets,
    /// `ZoneInfo._unpickle(key, from_cache)`: reads the rules of a zone, by the key that is its name.
    Zone,
    /// `_frombuffer(bytes, dtype, shape, order)`: an array over the memory of what it is handed.
    Views,
}

impl Effect {
    /// Whether a call gives a mapping, whose keys no opcode shows.
    pub(super) fn makes_mapping(self) -> bool {
        matches!(self, Self::Factory | Self::Mapping)
    }

    pub(super) fn of(module: &str, name: &str) -> Self {
        match (module, name) {
            // What no list allows, and is followed all the same.
            ("builtins", "getattr") => Self::Gets,
            ("builtins", "type") => Self::Type,
            ("copyreg", "__newobj__" | "__newobj_ex__") => Self::MakesFirst,
            _ => Policy::effect(module, name),
        }
    }
}
