//! Room `model`, pickle: runs that end at the first error, as a loader does.

use super::end::Halt;
use super::machine::CHECK_EVERY;
use super::machine::Machine;

/// How a trial run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trial {
    /// At a name, or at a byte that cannot be run.
    Broken,
    /// It came as far as it may.
    Far,
    /// At a STOP that is the last byte.
    Stopped,
}

impl Machine<'_> {
    /// Runs at most `count` opcodes, one stream behind another, up to the first name. What is a fault here does not end it:
    /// whether a loader would stop there as well is not worth a payload.
    pub(crate) fn trial(&mut self, at: u64, count: u64) -> Trial {
        self.window.seek(at);
        for _ in 0..count {
            self.at = self.window.at();
            let (mut is_id, was_whole) = (false, !self.facts.ends_loading());
            let result = match self.window.byte() {
                Ok(Some(opcode)) => {
                    is_id = opcode == b'P';
                    self.step(opcode)
                }
                Ok(None) => Err(Halt::Truncated),
                Err(error) => Err(Halt::Read(error)),
            };
            // A ZIP begins as a persistent id that is not ASCII, which ends every unpickler.
            let is_zip = is_id && was_whole && self.facts.ends_loading();
            match result {
                Ok(()) if self.facts.names.is_empty() && !is_zip => self.pass_frame(),
                Ok(()) => return Trial::Broken,
                Err(Halt::Stop) if self.window.left() == 0 => return Trial::Stopped,
                Err(Halt::Stop) => self.fresh(),
                Err(halt) => {
                    self.halted(halt);
                    return Trial::Broken;
                }
            }
        }
        Trial::Far
    }

    /// Runs from `at` to its end or first error, as an unpickler that knows less of joblib.
    pub(super) fn plainly(&mut self, at: u64) {
        self.window.seek(at);
        let mut faults = 0;
        loop {
            self.at = self.window.at();
            let result = match self.window.byte() {
                // Buffers beside the file are there for nobody who reads it so.
                Ok(Some(0x97) | None) => return,
                Ok(Some(opcode)) => self.step(opcode),
                Err(error) => Err(Halt::Read(error)),
            };
            self.facts.opcodes += 1;
            if let Err(halt) = result {
                // It loads nothing more; that is told where the file is read as what it is.
                if matches!(halt, Halt::Budget(_) | Halt::Read(_)) {
                    self.halted(halt);
                }
                return;
            }
            let ends = self.facts.faults.len() > faults && self.facts.ends_loading();
            faults = self.facts.faults.len();
            if ends {
                return;
            }
            self.pass_frame();
            if self.facts.opcodes.is_multiple_of(CHECK_EVERY)
                && let Some(what) = self.over_budget()
            {
                self.halted(Halt::Budget(what));
                return;
            }
        }
    }
}
