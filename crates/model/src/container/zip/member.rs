//! Room `model`, zip: a member as its records tell of it -> its bytes, packed and decoded.

use std::sync::Arc;

use ringfence_artifact::Source;
use ringfence_artifact::View;

use crate::container::decoded::Budget;
use crate::container::decoded::Decoded;
use crate::container::decoded::Reader;

/// Flags that claim encryption.
const ENCRYPTED: u16 = 0x1 | 0x20 | 0x40 | 0x2000;

/// Data that some loader would read.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Every name that a record gives it; the first is that of the central directory where there is one.
    pub(crate) names: Vec<String>,
    /// Where its header stands.
    pub(crate) at: u64,
    pub(crate) data: u64,
    pub(crate) packed: u64,
    pub(crate) size: u64,
    pub(crate) method: u16,
    pub(crate) crc: u32,
    /// Whether a directory lists it, and its bytes count as explained.
    pub(crate) is_listed: bool,
    pub(super) flags: u16,
}

impl Member {
    /// The name loaders show.
    pub(crate) fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    pub(crate) fn claims_encryption(&self) -> bool {
        self.flags & ENCRYPTED != 0
    }

    pub(crate) fn is_folder(&self) -> bool {
        self.size == 0 && self.packed == 0 && self.name().ends_with('/')
    }

    /// Whether its bytes stand in the archive as they are.
    pub(crate) fn is_stored(&self) -> bool {
        self.method == 0
    }

    /// Whether its bytes are packed by deflate.
    pub(crate) fn is_deflated(&self) -> bool {
        self.method == 8
    }

    /// Its bytes as they stand in the archive.
    pub(crate) fn packed(&self, source: &Arc<dyn Source>) -> View {
        View::new(Arc::clone(source), self.data, self.packed)
    }

    /// Its decoded bytes; none for a method that is not read.
    pub(crate) fn open(&self, source: &Arc<dyn Source>, budget: &Budget) -> Option<Arc<dyn Source>> {
        let view = self.packed(source);
        match self.method {
            0 => Some(Arc::new(view)),
            8 => {
                let view: Arc<dyn Source> = Arc::new(view);
                // Far more than deflate can give (1:1032) is a lie that would be read to its end.
                let len = self.size.min(self.packed.saturating_mul(1040));
                let allowed = len.saturating_mul(8).max(1 << 30);
                let start = move || -> Box<dyn std::io::Read + Send> {
                    Box::new(flate2::read::DeflateDecoder::new(Reader::new(Arc::clone(&view))))
                };
                Some(Arc::new(Decoded::new(Box::new(start), len, allowed, budget.clone())))
            }
            _ => None,
        }
    }
}
