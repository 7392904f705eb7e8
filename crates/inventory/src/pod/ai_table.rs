//! What is known of the AI world by name: kinds, programs, images, variables, device files. Data only.

use std::sync::OnceLock;

use super::ai::WorkloadClass;
use crate::data;
use WorkloadClass::AcceleratorInfra;
use WorkloadClass::Agent;
use WorkloadClass::Notebook;
use WorkloadClass::Other;
use WorkloadClass::Pipeline;
use WorkloadClass::Registry;
use WorkloadClass::Serving;
use WorkloadClass::Training;
use WorkloadClass::VectorStore;

/// Kinds made for AI: API group, and the start of the kind's name. Argo, Knative, Spark, Volcano, JobSet and
/// LeaderWorkerSet run AI and much else: they prove nothing by themselves.
pub(super) const AI_KINDS: &[(&str, &str)] = &[
    ("kubeflow.org", ""),
    ("trainer.kubeflow.org", ""),
    ("serving.kserve.io", ""),
    ("ray.io", ""),
    ("machinelearning.seldon.io", ""),
    ("mlops.seldon.io", ""),
    ("apps.nvidia.com", "NIM"),
    ("apps.nvidia.com", "Nemo"),
    ("production-stack.vllm.ai", ""),
    ("kaito.sh", ""),
    ("nvidia.com", "Dynamo"),
    ("agents.x-k8s.io", ""),
    ("extensions.agents.x-k8s.io", ""),
];

/// What a kind does: group, start of its name, class; the first that fits.
pub(super) const CLASS_OF_KIND: &[(&str, &str, WorkloadClass)] = &[
    ("kubeflow.org", "Notebook", Notebook),
    ("kubeflow.org", "PVCViewer", Other),
    ("kubeflow.org", "PodDefault", Other),
    ("kubeflow.org", "ScheduledWorkflow", Pipeline),
    ("kubeflow.org", "Viewer", Other),
    ("kubeflow.org", "", Training),
    ("trainer.kubeflow.org", "", Training),
    ("serving.kserve.io", "", Serving),
    ("ray.io", "RayService", Serving),
    ("ray.io", "RayJob", Training),
    ("ray.io", "RayCronJob", Training),
    ("machinelearning.seldon.io", "", Serving),
    ("mlops.seldon.io", "", Serving),
    ("apps.nvidia.com", "NIM", Serving),
    ("apps.nvidia.com", "Nemo", Training),
    ("production-stack.vllm.ai", "", Serving),
    ("nvidia.com", "Dynamo", Serving),
    ("nvidia.com", "ClusterPolicy", AcceleratorInfra),
    ("nvidia.com", "NVIDIADriver", AcceleratorInfra),
    ("nvidia.com", "GPUCluster", AcceleratorInfra),
    ("agents.x-k8s.io", "", Agent),
    ("extensions.agents.x-k8s.io", "", Agent),
    ("argoproj.io", "Workflow", Pipeline),
    ("argoproj.io", "ClusterWorkflow", Pipeline),
    ("argoproj.io", "CronWorkflow", Pipeline),
    ("tekton.dev", "", Pipeline),
];

/// How a program shows among the words of a command.
#[derive(Clone, Copy, Debug)]
pub(super) enum Program {
    /// The word itself.
    Word(&'static str),
    /// A word that starts so: Python modules, tool packages.
    Prefix(&'static str),
    /// Two words one after another.
    Pair(&'static str, &'static str),
    /// The word, in an image that names AI or CUDA.
    WithImage(&'static str),
}

use Program::Pair;
use Program::Prefix;
use Program::WithImage;
use Program::Word;

/// Servers and trainers, and what they do.
pub(super) const PROGRAMS: &[(Program, WorkloadClass)] = &[
    (Pair("vllm", "serve"), Serving),
    (Prefix("vllm.entrypoints"), Serving),
    (Prefix("sglang.launch_server"), Serving),
    (Pair("sglang", "serve"), Serving),
    (Word("text-generation-launcher"), Serving),
    (Word("text-embeddings-router"), Serving),
    (Word("tritonserver"), Serving),
    (Word("trtllm-serve"), Serving),
    (Word("tensorflow_model_server"), Serving),
    (Word("torchserve"), Serving),
    (Pair("mlserver", "start"), Serving),
    (Pair("lmdeploy", "serve"), Serving),
    (Pair("ollama", "serve"), Serving),
    (Word("llama-server"), Serving),
    (Pair("litellm", "--config"), Serving),
    (Word("torchrun"), Training),
    (Prefix("torch.distributed."), Training),
    (Pair("accelerate", "launch"), Training),
    (Word("deepspeed"), Training),
    (WithImage("mpirun"), Training),
    (Pair("ray", "start"), Training),
    (Word("jupyter"), Notebook),
    (Word("jupyter-lab"), Notebook),
    (Word("jupyter-notebook"), Notebook),
    (Word("jupyterhub"), Notebook),
    (Word("jupyterhub-singleuser"), Notebook),
    (Word("start-notebook.sh"), Notebook),
    (Word("start-notebook.py"), Notebook),
    (Word("start-singleuser.sh"), Notebook),
    (Pair("mlflow", "server"), Registry),
    (Pair("mlflow", "ui"), Registry),
    (Prefix("@modelcontextprotocol/"), Agent),
    (Prefix("mcp-server-"), Agent),
    (Prefix("mcp_server_"), Agent),
    (Word("mcp-proxy"), Agent),
    (Word("mcpo"), Agent),
    (Word("supergateway"), Agent),
    (Pair("langflow", "run"), Agent),
];

/// Words of image paths, and what such images do; the first that fits. The rows stand in `data/ai-images.yaml`.
pub(super) fn images() -> &'static [(&'static str, WorkloadClass)] {
    static IMAGES: OnceLock<Vec<(&'static str, WorkloadClass)>> = OnceLock::new();
    IMAGES.get_or_init(|| {
        let rows = data::rows(include_str!("../../../../data/ai-images.yaml"), "images");
        rows.filter_map(|row| Some((row.str_at("word")?, class(row.str_at("class")?)?))).collect()
    })
}

fn class(word: &str) -> Option<WorkloadClass> {
    Some(match word {
        "agent" => Agent,
        "notebook" => Notebook,
        "registry" => Registry,
        "serving" => Serving,
        "training" => Training,
        "vector-store" => VectorStore,
        _ => return None,
    })
}

/// Starts of variables that configure model libraries and servers.
pub(super) const HUB_VARIABLES: &[&str] =
    &["HF_", "HUGGING_FACE_HUB_", "HUGGINGFACE_", "TRANSFORMERS_", "VLLM_", "NIM_", "OLLAMA_"];

/// Variables that hand devices to a container. Empty, `void` and `none` hand out none.
pub(super) const VISIBLE_DEVICES: &[&str] = &[
    "NVIDIA_VISIBLE_DEVICES",
    "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "HABANA_VISIBLE_DEVICES",
    "ASCEND_VISIBLE_DEVICES",
    "ASCEND_RT_VISIBLE_DEVICES",
    "AWS_NEURON_VISIBLE_DEVICES",
    "NEURON_RT_VISIBLE_CORES",
    "TPU_VISIBLE_DEVICES",
    "TPU_VISIBLE_CHIPS",
];

/// Starts of accelerator device files. `/dev/dri` is any graphics card's and says nothing.
pub(super) const DEVICE_FILES: &[&str] =
    &["/dev/nvidia", "/dev/kfd", "/dev/davinci", "/dev/neuron", "/dev/accel", "/dev/hl", "/dev/habanalabs"];

/// Words that names and labels of AI workloads carry, and those of others too.
pub(super) const NAME_WORDS: &[&str] = &[
    "ai",
    "embedding",
    "embeddings",
    "finetune",
    "gpu",
    "inference",
    "llama",
    "llm",
    "ml",
    "model",
    "models",
    "rag",
    "train",
    "trainer",
    "training",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_image_table_is_read() {
        let text = include_str!("../../../../data/ai-images.yaml");
        assert_eq!(images().len(), text.matches("  - {word: ").count());
        assert_eq!(images().iter().find(|(word, _)| *word == "vllm"), Some(&("vllm", Serving)));
    }
}
