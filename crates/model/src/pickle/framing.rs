//! Room `model`, pickle: operands against frames. Read flat, frames mean nothing; read as blocks, what crosses the end of
//! one is taken from behind it and the rest is lost.

use super::end::Halt;
use super::end::Step;
use super::facts::FaultKind;
use super::machine::Frames;
use super::machine::Machine;
use super::machine::NO_FRAME;

impl Machine<'_> {
    /// The next bytes of an operand.
    #[inline]
    pub(super) fn take<const N: usize>(&mut self) -> Step<[u8; N]> {
        if self.frames == Frames::Blocks {
            self.cross(N as u64);
        }
        self.window.take()?.ok_or(Halt::Truncated)
    }

    /// Passes over an operand and says where it starts.
    #[inline]
    pub(super) fn pass(&mut self, count: u64) -> Step<u64> {
        if self.frames == Frames::Blocks {
            self.cross(count);
        }
        self.pass_on(count)
    }

    /// Passes over bytes: CPython reads these in two parts where a block ends inside, and loses nothing.
    #[inline]
    pub(super) fn pass_on(&mut self, count: u64) -> Step<u64> {
        let at = self.window.at();
        if self.window.skip(count) { Ok(at) } else { Err(Halt::Truncated) }
    }

    /// Frames as blocks: what does not fit into the rest of one is read behind it, and the rest is lost.
    pub(super) fn cross(&mut self, count: u64) {
        if self.frame_end != NO_FRAME && self.window.at().saturating_add(count) > self.frame_end {
            self.window.seek(self.frame_end);
            self.frame_end = NO_FRAME;
        }
    }

    /// In a block the line must end before it does.
    pub(super) fn block_end(&self) -> Option<u64> {
        (self.frames == Frames::Blocks && self.frame_end != NO_FRAME).then_some(self.frame_end)
    }

    pub(super) fn frame(&mut self, len: u64) -> Step {
        let (at, start) = (self.at, self.window.at());
        if self.frames == Frames::Blocks {
            self.cross(len);
            if self.frame_end != NO_FRAME {
                return Ok(()); // it lies in the block that is there
            }
        }
        let start = if self.frames == Frames::Blocks { self.window.at() } else { start };
        let end = start.saturating_add(len);
        if self.frames == Frames::Flat && self.frame_end != NO_FRAME && start != self.frame_end {
            // The length of this one may itself lie on both sides of the end of the one before.
            let inside = start < self.frame_end;
            let what =
                if inside { "a frame begins inside another" } else { "an opcode crosses the end of a frame" };
            self.facts.fault(FaultKind::Frame, at, || what.to_owned());
            self.straddles = true;
        }
        if end > self.window.len() {
            self.facts.fault(FaultKind::Frame, at, || "a frame runs past the end".to_owned());
            if self.frames == Frames::Blocks {
                return Err(Halt::Truncated);
            }
        }
        self.frame_end = end;
        Ok(())
    }

    /// Leaves the frame that ends here.
    #[inline]
    pub(super) fn pass_frame(&mut self) {
        if self.window.at() >= self.frame_end {
            self.leave_frame();
        }
    }

    #[cold]
    pub(super) fn leave_frame(&mut self) {
        if self.window.at() > self.frame_end {
            let at = self.at;
            self.facts.fault(FaultKind::Frame, at, || "an opcode crosses the end of a frame".to_owned());
            self.straddles = true;
        }
        self.frame_end = NO_FRAME;
    }

    /// STOP before the frame ends: the pure-Python unpickler and a second load disagree on what comes next.
    pub(super) fn close_frame(&mut self) {
        if self.frame_end != NO_FRAME && self.window.at() < self.frame_end {
            let at = self.at;
            self.facts.fault(FaultKind::Frame, at, || "a frame goes on behind STOP".to_owned());
        }
        self.frame_end = NO_FRAME;
    }
}
