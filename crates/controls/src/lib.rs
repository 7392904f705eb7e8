//! Room `controls`: an inventory in, findings out; findings in, the verdict on the door and dollars out.
//!
//! `Inventory -> Control::check -> Finding -> assess -> Scan`
//!
//! One control is one file in a family folder; its doc comment is its manual page, and a build script lists the files.
//! No IO, no clock, no network: the same function will judge in scan, admission and controller.
#![forbid(unsafe_code)]

mod assess;
mod blind;
mod catalogue;
mod checkup;
mod claims;
mod control;
mod cx;
mod domains;
mod egress;
mod engine;
mod exposure;
mod grants;
mod guard;
mod hit;
mod host_namespace;
mod host_path;
mod isolation;
mod jobs;
mod keys;
mod mask;
mod origin;
mod placement;
mod prices;
mod requests;
mod rights;
mod saved;
#[cfg(test)]
mod testing;

pub use assess::assess;
pub use assess::found;
pub use catalogue::catalogue;
pub use catalogue::info;
pub use checkup::Purpose;
pub use checkup::checkup;
pub use control::Check;
pub use control::Control;
pub use control::Meta;
pub use control::Need;
pub use control::Target;
pub use cx::Cx;
pub use engine::Judgement;
pub use engine::judge;
pub use hit::Hit;
pub use hit::Results;
pub use prices::PriceTable;
pub use prices::PricesError;
pub use saved::Saved;
