// Judge of the scalar rules: the YAML layer that the API server of Kubernetes 1.36 links.
module ringfence.dev/lab/yaml

go 1.22

require sigs.k8s.io/yaml v1.6.0

require go.yaml.in/yaml/v2 v2.4.2 // indirect
