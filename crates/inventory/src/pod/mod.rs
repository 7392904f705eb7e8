//! Objects -> pods of any kind, each with one face whatever kind it hides in.

mod ai;
mod ai_table;
mod command;
mod container;
mod embedded;
mod find;
mod image;
mod infra;
mod model;
mod reference;
mod replicas;
mod structural;
mod table;
mod view;

pub use ai::AiFacts;
pub use ai::Scope;
pub use ai::WorkloadClass;
pub(crate) use ai::facts;
pub use command::Word;
pub use container::Container;
pub use container::EnvVar;
pub use container::Need;
pub use container::Role;
pub(crate) use embedded::embedded;
pub(crate) use find::find;
pub use model::Immutable;
pub use model::ModelRef;
pub use model::ModelRole;
pub use model::ModelSource;
pub(crate) use table::is_without_pods;
pub(crate) use table::plural;
pub(crate) use table::pod_kinds;
pub use view::Field;
pub use view::Pod;
pub(crate) use view::PodView;
