//! Room `model`, tests: pickles, opcode by opcode.

/// A stream being written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream(pub(crate) Vec<u8>);

impl Stream {
    /// Without a header: protocols 0 and 1.
    pub(crate) fn bare() -> Self {
        Self::default()
    }

    pub(crate) fn protocol(number: u8) -> Self {
        Self(vec![0x80, number])
    }

    pub(crate) fn raw(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.extend_from_slice(bytes.as_ref());
        self
    }

    pub(crate) fn op(self, opcode: u8) -> Self {
        self.raw([opcode])
    }

    /// SHORT_BINUNICODE.
    pub(crate) fn text(self, text: &str) -> Self {
        let len = u8::try_from(text.len()).unwrap();
        self.raw([0x8c, len]).raw(text)
    }

    /// GLOBAL.
    pub(crate) fn global(self, module: &str, name: &str) -> Self {
        self.raw(format!("c{module}\n{name}\n"))
    }

    /// STACK_GLOBAL with both texts before it.
    pub(crate) fn stack_global(self, module: &str, name: &str) -> Self {
        self.text(module).text(name).op(0x93)
    }

    /// A call with one text.
    pub(crate) fn call(self, argument: &str) -> Self {
        self.text(argument).raw(b"\x85R")
    }

    pub(crate) fn stop(self) -> Vec<u8> {
        self.op(b'.').0
    }

    /// FRAME with everything that `inside` writes.
    pub(crate) fn frame(self, len: u64) -> Self {
        self.op(0x95).raw(len.to_le_bytes())
    }
}
