//! Room `model`, format `onnx`: the operators of `com.microsoft` that touch nothing but tensors, and those that act.
//!
//! What onnxruntime 1.22 and 1.32 register there (`get_all_operator_schema`, and docs/ContribOperators.md), without `EPContext`
//! and `Snpe`. Its training builds have others, some of which call Python.

use ringfence_finding::Verdict;

/// The domain of what onnxruntime has beside the standard.
pub(super) const MICROSOFT: &str = "com.microsoft";

/// Whether an operator of `com.microsoft` is known to touch tensors alone.
pub(super) fn touches_tensors(operator: &str) -> bool {
    OPERATORS.binary_search(&operator).is_ok()
}

/// What an operator does that acts in whatever domain it stands: a verdict, and words to follow its name.
pub(super) fn act(operator: &str) -> Option<(Verdict, &'static str)> {
    Some(match operator {
        // Of training builds the last three: `func_name` and `onnx_string` say what is called or compiled.
        "PyOp" | "PyCustomOp" | "PythonOp" | "PythonOpGrad" | "TritonOp" => {
            (Verdict::Malicious, "runs Python of the host")
        }
        "EPContext" | "Snpe" => (Verdict::Review, "holds or names code that is compiled for an accelerator"),
        _ => return None,
    })
}

/// Sorted.
const OPERATORS: [&str; 148] = [
    "Attention",
    "AttnLSTM",
    "BeamSearch",
    "BiasAdd",
    "BiasDropout",
    "BiasGelu",
    "BiasSoftmax",
    "BiasSplitGelu",
    "BifurcationDetector",
    "BitmaskBiasDropout",
    "BitmaskDropout",
    "BranchwiseRMSNorm",
    "CDist",
    "CausalConvWithState",
    "ComplexMul",
    "ComplexMulConj",
    "ConvStateReplay",
    "ConvTransposeWithDynamicPads",
    "CropAndResize",
    "DecoderAttention",
    "DecoderMaskedMultiHeadAttention",
    "DecoderMaskedSelfAttention",
    "DequantizeBFP",
    "DequantizeLinear",
    "DequantizeWithOrder",
    "DynamicQuantizeLSTM",
    "DynamicQuantizeMatMul",
    "DynamicSparseAttention",
    "DynamicTimeWarping",
    "EmbedLayerNormalization",
    "EngramGate",
    "ExpandDims",
    "FastGelu",
    "FusedConv",
    "FusedGemm",
    "FusedMatMul",
    "FusedMatMulActivation",
    "GatedAdd",
    "GatedDeltaNet",
    "GatedDeltaNetStateReplay",
    "GatedRMSNorm",
    "GatedRelativePositionBias",
    "GatherBlockQuantized",
    "GatherND",
    "GatherPacked",
    "Gelu",
    "GemmFastGelu",
    "GemmFloat8",
    "GemmaRotaryEmbedding",
    "GreedySearch",
    "GridSample",
    "GroupNorm",
    "GroupQueryAttention",
    "HyperConnectionLowRankMix",
    "HyperConnectionPostMix",
    "HyperConnectionPreMix",
    "Inverse",
    "Irfft",
    "IsAllFinite",
    "LinearAttention",
    "LinearAttentionGate",
    "LongformerAttention",
    "MRotaryEmbedding",
    "Mamba2Verify",
    "MatMulBlockQuantizedFp4Weight",
    "MatMulBlockQuantizedFp8Weight",
    "MatMulBnb4",
    "MatMulFpQ4",
    "MatMulInteger16",
    "MatMulIntegerToFloat",
    "MatMulNBits",
    "MatMulNBitsMlp",
    "MatMulNBitsQLoRA",
    "MatMulNBitsQkv",
    "MatMulPacked",
    "MaxpoolWithMask",
    "MoE",
    "MoEGroupRouter",
    "MoEPacked",
    "MulInteger",
    "MultiHeadAttention",
    "MurmurHash3",
    "NGramHashMapping",
    "NGramRepeatBlock",
    "NhwcConv",
    "NhwcFusedConv",
    "NhwcMaxPool",
    "PackedAttention",
    "PackedMultiHeadAttention",
    "PackedSparseAttentionIndexer",
    "PackedSparseAttentionIndexerMerge",
    "Pad",
    "PagedAttention",
    "QAttention",
    "QEmbedLayerNormalization",
    "QGemm",
    "QLinearAdd",
    "QLinearAveragePool",
    "QLinearConcat",
    "QLinearConv",
    "QLinearGlobalAveragePool",
    "QLinearLeakyRelu",
    "QLinearMul",
    "QLinearReduceMean",
    "QLinearSigmoid",
    "QLinearSoftmax",
    "QLinearWhere",
    "QMoE",
    "QOrderedAttention",
    "QOrderedGelu",
    "QOrderedLayerNormalization",
    "QOrderedLongformerAttention",
    "QOrderedMatMul",
    "QuantizeBFP",
    "QuantizeLinear",
    "QuantizeWithOrder",
    "QuickGelu",
    "RMSNormRotary",
    "Range",
    "ReduceSumInteger",
    "RelativePositionBias",
    "RemovePadding",
    "RestorePadding",
    "Rfft",
    "RotaryEmbedding",
    "RouterGateUpProj",
    "SampleOp",
    "Sampling",
    "ScaledSiLU",
    "SkipGroupNorm",
    "SkipLayerNormalization",
    "SkipSimplifiedLayerNormalization",
    "SparseAttention",
    "SparseAttentionIndexer",
    "SparsePagedAttention",
    "SparseToDenseMatMul",
    "SpeculativePrefixCommit",
    "SwiGLU",
    "Tokenizer",
    "TorchEmbedding",
    "TransposeMatMul",
    "Trilu",
    "UnfoldTensor",
    "Unique",
    "VarlenCausalConvWithState",
    "VarlenNGramHashMapping",
    "WhisperBeamSearch",
    "WordConvEmbedding",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_none_of_it_acts() {
        assert!(OPERATORS.is_sorted());
        assert!(OPERATORS.iter().all(|operator| touches_tensors(operator) && act(operator).is_none()));
        assert!(!touches_tensors("PythonOp") && !touches_tensors("") && !touches_tensors("ATen"));
    }
}
