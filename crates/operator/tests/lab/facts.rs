//! What is read of a cluster, once.

use ringfence_operator::Error;

use crate::ground::turn;
use crate::lab;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: EndpointSlices are written by controllers"]
async fn facts_are_those_of_the_cluster() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let node = lab.fake_node("facts", 4);
    let namespace = lab.namespace("facts");
    let (facts, _) = ringfence_operator::read(&lab.client().await).await.unwrap();

    assert_eq!(facts.serves("networking.k8s.io", "v1", "NetworkPolicy"), Some(true));
    assert_eq!(facts.serves("ringfence.dev", "v1alpha1", "SecurityDomain"), Some(true));
    assert_eq!(facts.serves("external-secrets.io", "v1", "ExternalSecret"), Some(false));
    let namespaces = facts.namespaces.as_ref().unwrap();
    let own = namespaces.iter().find(|it| it.name == namespace.name()).unwrap();
    assert!(!own.uid.is_empty() && !own.terminating);
    assert_eq!(own.labels["kubernetes.io/metadata.name"], namespace.name());
    let seen = facts.nodes.as_ref().unwrap().iter().find(|it| it.name == node.name()).unwrap();
    assert_eq!(seen.accelerators["nvidia.com/gpu"], 4);
    let dns = facts.dns.as_ref().unwrap();
    assert_eq!(dns.ports, [1053].into());
    let service = lab
        .kubectl(&["-n", "kube-system", "get", "service", "kube-dns", "-o", "jsonpath={.spec.clusterIP}"])
        .ok();
    let wanted = ["169.254.20.10", &service].map(|it| it.parse::<std::net::IpAddr>().unwrap());
    assert_eq!(dns.node_local, wanted);
    let [server] = facts.api_server[..] else { panic!("{:?}", facts.api_server) };
    assert_eq!((server.address.to_string().as_str(), server.port), ("192.0.2.7", 6443));
    let service = &facts.services[&("kube-system".to_owned(), "kube-dns".to_owned())];
    assert_eq!(service.selector["k8s-app"], "kube-dns");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: acts as somebody else"]
async fn a_right_that_is_missing_is_an_error_with_its_name_and_not_an_empty_cluster() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let nobody = ringfence_lab::Identity::human("nobody-in-particular", &[]);
    let error = ringfence_operator::read(&lab.client_as(&nobody).await).await.unwrap_err();
    let Error::Refused { verb, resource, .. } = &error else { panic!("{error}") };
    assert_eq!((*verb, resource.as_str()), ("list", "securitydomains.ringfence.dev"));
}
