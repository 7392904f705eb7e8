//! file or folder -> names -> identity -> positional reads (teed to whoever takes all bytes) -> identity again
//!
//! Room `artifact`: paths enter, bytes leave through [`Source`], a piece at a time and into buffers of bounded size.
//! It knows no format and no network.
//!
//! Nothing is mapped into memory: another process can cut a mapped file short, and then a read ends the program with a
//! signal. A file is read by position from one descriptor, and its identity is compared before and after: what was
//! judged is one version of one file, or an error.
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

mod file;
mod folder;
mod head;
mod source;
mod tee;
mod tree;
mod window;

pub use file::Identity;
pub use file::OpenError;
pub use file::OpenFile;
pub use folder::Folder;
pub use folder::Listed;
pub use head::Head;
pub use source::ReadError;
pub use source::Slice;
pub use source::Source;
pub use source::View;
pub use tee::Rest;
pub use tee::Taker;
pub use tee::Teed;
pub use tree::Entry;
pub use tree::Gap;
pub use tree::Listing;
pub use tree::list;
pub use window::Window;
