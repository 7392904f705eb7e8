//! Room `model`, zip: packed bytes of a member -> where its deflate stream ends, and the check sum of what it gives.

use std::sync::Arc;

use flate2::Decompress;
use flate2::FlushDecompress;
use flate2::Status;
use ringfence_artifact::ReadError;
use ringfence_artifact::Source;

use crate::container::decoded::Budget;

/// Bytes that are read, and decoded, at once.
const PIECE: usize = 256 << 10;

/// How far a deflate stream goes.
pub(crate) struct Inflated {
    /// Packed bytes that it takes.
    pub(crate) taken: u64,
    /// Bytes that it gives.
    pub(crate) given: u64,
    /// CRC-32 of as many bytes as the records announce: Python cuts there. An error where there are not so many.
    pub(crate) crc: Result<u32, ReadError>,
}

/// Decodes to the end of the stream, whatever `size` says.
pub(crate) fn inflate(packed: &dyn Source, size: u64, budget: &Budget) -> Inflated {
    let mut inflater = Decompress::new(false);
    let mut crc = flate2::Crc::new();
    let ended = run(packed, size, budget, &mut inflater, &mut crc);
    let given = inflater.total_out();
    let crc = match ended {
        Ok(()) if given < size => Err(broken(given, "the stream is shorter than the container says")),
        ended => ended.map(|()| crc.sum()),
    };
    Inflated { taken: inflater.total_in(), given, crc }
}

fn run(
    packed: &dyn Source,
    size: u64,
    budget: &Budget,
    inflater: &mut Decompress,
    crc: &mut flate2::Crc,
) -> Result<(), ReadError> {
    // Archives may have many small members.
    let room = |bytes: u64| vec![0; usize::try_from(bytes).map_or(PIECE, |bytes| bytes.clamp(4096, PIECE))];
    let (mut input, mut output) = (room(packed.len()), room(size));
    loop {
        let (taken, given) = (inflater.total_in(), inflater.total_out());
        let got = packed.read_at(taken, &mut input)?;
        let piece = input.get(..got).unwrap_or_default();
        let status = inflater.decompress(piece, &mut output, FlushDecompress::None);
        let (read, made) = (inflater.total_in() - taken, inflater.total_out() - given);
        budget.charge(made)?;
        let counted = usize::try_from(made.min(size.saturating_sub(given))).unwrap_or(0);
        crc.update(output.get(..counted).unwrap_or_default());
        match status {
            Ok(Status::StreamEnd) => return Ok(()),
            Ok(_) if read > 0 || made > 0 => {}
            Ok(_) => return Err(broken(inflater.total_out(), "the packed data ends before the stream does")),
            Err(error) => return Err(broken(inflater.total_out(), &error.to_string())),
        }
    }
}

fn broken(at: u64, cause: &str) -> ReadError {
    ReadError::Decode { at, cause: Arc::from(cause) }
}
