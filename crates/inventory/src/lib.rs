//! Room `inventory`: sources in, objects, pods of any kind, places, facts and coverage out. Never judges.
//!
//! `source -> documents -> yaml tree -> objects -> pods -> Inventory`
//!
//! Values and places come from one tree, so they cannot disagree. Only `cluster` opens a connection or starts a
//! process.
#![forbid(unsafe_code)]

pub mod accelerator;
mod assemble;
pub mod cidr;
#[cfg(feature = "cluster")]
pub mod cluster;
mod data;
mod definitions;
mod document;
mod facts;
mod glob;
mod joins;
mod live;
mod named;
mod namespace;
mod nearest;
mod nodes;
mod object;
mod opened;
mod owners;
mod peek;
mod pod;
pub mod rbac;
mod reader;
pub mod selector;
mod sight;
mod snapshot;
mod source;
mod split;
pub mod yaml;

pub use assemble::Inventory;
pub use assemble::Options;
pub use document::Document;
pub use document::Window;
pub use facts::PodResource;
pub use glob::glob_matches;
pub use joins::Base;
pub use joins::Joins;
pub use live::Live;
pub use named::open_named;
pub use named::read_bounded_text;
pub use named::read_named;
pub use named::read_named_text;
pub use named::read_opened;
pub use namespace::Namespace;
pub use namespace::NamespaceTable;
pub use nearest::nearest;
pub use nodes::GpuNode;
pub use nodes::GpuSoftware;
pub use object::Object;
pub use object::ObjectId;
pub use object::is_cluster_scoped;
pub use peek::Peek;
pub use peek::peek;
pub use pod::AiFacts;
pub use pod::Container;
pub use pod::EnvVar;
pub use pod::Field;
pub use pod::Immutable;
pub use pod::KindSchema;
pub use pod::ModelRef;
pub use pod::ModelRole;
pub use pod::ModelSource;
pub use pod::Need;
pub use pod::Pod;
pub use pod::Role;
pub use pod::SchemaGap;
pub use pod::SchemaPath;
pub use pod::SchemaShape;
pub use pod::Schemas;
pub use pod::Scope;
pub use pod::Word;
pub use pod::WorkloadClass;
pub use sight::Seen;
pub use sight::Sight;
pub use snapshot::About;
pub use snapshot::Extent;
pub use snapshot::Gap;
pub use snapshot::GapKind;
pub use snapshot::Listed;
pub use snapshot::Narrowed;
pub use snapshot::Redact;
pub use snapshot::SavedError;
pub use snapshot::Served;
pub use snapshot::Snapshot;
pub use snapshot::Want;
pub use snapshot::Why;
pub use snapshot::plan;
pub use snapshot::write_redacted;
pub use source::Input;
pub use source::Source;
pub use source::SourceError;
pub use source::collect;
pub use split::Piece;
pub use split::split;
