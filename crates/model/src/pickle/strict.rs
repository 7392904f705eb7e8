//! Room `model`, pickle: runs that end at the first error, as a loader does.

use super::end::Halt;
use super::machine::CHECK_EVERY;
use super::machine::Machine;

impl Machine<'_> {
    /// Runs at most `count` opcodes without a fault: how many, or none where STOP was reached.
    pub(crate) fn trial(&mut self, at: u64, count: u64) -> Option<u64> {
        self.window.seek(at);
        for done in 0..count {
            self.at = self.window.at();
            let result = match self.window.byte() {
                Ok(Some(opcode)) => self.step(opcode),
                Ok(None) => Err(Halt::Truncated),
                Err(error) => Err(Halt::Read(error)),
            };
            match result {
                Ok(()) if !self.facts.ends_loading() && self.facts.names.is_empty() => {}
                Ok(()) => return Some(done),
                Err(Halt::Stop) => return None,
                Err(halt) => {
                    self.halted(halt);
                    return Some(done);
                }
            }
        }
        Some(count)
    }

    /// Runs from `at` as an unpickler that knows nothing of joblib, to its end or first error.
    pub(crate) fn plainly(&mut self, at: u64) {
        self.arrays.ignore();
        self.window.seek(at);
        let mut faults = 0;
        loop {
            self.at = self.window.at();
            let result = match self.window.byte() {
                Ok(Some(opcode)) => self.step(opcode),
                Ok(None) => return,
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
            if self.facts.opcodes.is_multiple_of(CHECK_EVERY)
                && let Some(what) = self.over_budget()
            {
                self.halted(Halt::Budget(what));
                return;
            }
        }
    }
}
