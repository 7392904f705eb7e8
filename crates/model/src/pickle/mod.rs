//! Room `model`, format `pickle`, protocols 0 to 5: bytes -> names with their uses, faults, what was not read.
//!
//! A pickle is a program for a stack machine. The machine here makes the same moves without importing or calling
//! anything; judgement is elsewhere.

mod access;
mod array;
mod burst;
mod call;
mod chain;
mod compat;
mod container;
mod dtype;
pub(crate) mod effect;
mod end;
mod explain;
pub(crate) mod facts;
mod framing;
mod handed;
mod joblib;
mod kept;
mod lookup;
mod machine;
mod memo;
mod number;
mod opcode;
mod operand;
mod python;
mod scorer;
mod search;
mod session;
mod stack;
mod state;
mod strict;
pub(crate) mod tree;
mod value;
mod view;
mod waiting;
mod ways;

pub(crate) use chain::is_pickle;
pub(crate) use chain::read;
pub(crate) use explain::OPCODES;
pub(crate) use explain::Place;
pub(crate) use explain::explain;
pub(crate) use facts::Facts;
pub(crate) use machine::Dialect;
pub(crate) use session::Session;
pub(crate) use value::Value;
pub(crate) use view::fits;
