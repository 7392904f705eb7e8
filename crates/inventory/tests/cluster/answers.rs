//! Answers: broken, cut, slow, lying, far too large; discovery that fails in part.

use std::time::Duration;
use std::time::Instant;

use ringfence_inventory::Extent;
use ringfence_inventory::GapKind;
use ringfence_inventory::Inventory;
use ringfence_inventory::Options;
use ringfence_inventory::cluster::Ask;
use ringfence_inventory::cluster::ClusterError;

use crate::server::Reply;
use crate::server::Server;
use crate::server::impatient;
use crate::server::list;
use crate::server::pod;

#[test]
fn no_answer_that_is_broken_is_taken_for_a_list() {
    let whole = list("Pod", "v1", &[pod("ml", "a"), pod("ml", "b")], "");
    let half = whole[..whole.len() / 2].to_owned();
    for (what, reply) in [
        ("empty", Box::new(|| Reply::Json(String::new())) as Box<dyn Fn() -> Reply + Send + Sync>),
        ("no JSON", Box::new(|| Reply::Json("<html>login</html>".to_owned()))),
        ("another kind", Box::new(|| Reply::Json(list("Secret", "v1", &[], "")))),
        ("no list", Box::new(|| Reply::Json(r#"{"kind":"Status","status":"Success"}"#.to_owned()))),
        ("numbers for items", Box::new(|| Reply::Json(r#"{"kind":"PodList","items":[1,2]}"#.to_owned()))),
        ("cut", {
            let half = half.clone();
            Box::new(move || Reply::Cut(half.clone()))
        }),
        ("stalled", {
            let half = half.clone();
            Box::new(move || Reply::Stall(half.clone()))
        }),
        ("half, and called whole", {
            let half = half.clone();
            Box::new(move || Reply::Json(half.clone()))
        }),
        ("closed", Box::new(|| Reply::Close)),
        ("silence", Box::new(|| Reply::Hang)),
    ] {
        let server = Server::start(move |asked| (asked.path == "/api/v1/pods").then(&reply));
        let start = Instant::now();
        let snapshot = server.read(&impatient()).unwrap();
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        let pods = snapshot.list("", "Pod").unwrap();
        let gap = pods.gap.as_ref().unwrap_or_else(|| panic!("{what} was called complete"));
        assert!(matches!(gap.kind, GapKind::Failed | GapKind::NotReached), "{what}: {gap:?}");
        assert_eq!((pods.objects, &pods.extent), (0, &Extent::Nowhere), "{what}");
        assert!(snapshot.list("", "Node").unwrap().gap.is_none(), "{what}: the others were listed");
    }
}

#[test]
fn a_body_that_breaks_once_is_asked_again_and_counted_once() {
    let whole = list("Pod", "v1", &[pod("ml", "a"), pod("ml", "b")], "");
    let server = Server::start(move |asked| {
        let half = whole[..whole.len() - 10].to_owned();
        (asked.path == "/api/v1/pods" && asked.before == 0).then_some(Reply::Cut(half))
    });
    let snapshot = server.read(&impatient()).unwrap();
    let pods = snapshot.list("", "Pod").unwrap();
    assert_eq!((pods.objects, &pods.gap), (3, &None));
}

#[test]
fn an_item_that_lies_about_its_kind_is_left_out_and_told() {
    let liar = r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"x"},"data":{}}"#.to_owned();
    let server = Server::start(move |asked| {
        let items = [pod("ml", "a"), liar.clone(), pod("ml", "b")];
        (asked.path == "/api/v1/pods").then(|| Reply::Json(list("Pod", "v1", &items, "")))
    });
    let snapshot = server.read(&impatient()).unwrap();
    let gap = snapshot.list("", "Pod").unwrap().gap.clone().unwrap();
    assert_eq!(gap.kind, GapKind::Partial);
    assert!(gap.message.contains("another version or kind"), "{}", gap.message);
    let inventory = Inventory::from_snapshot(snapshot, &Options::default());
    assert_eq!(inventory.objects_of("", "Pod").count(), 2);
    assert_eq!(inventory.objects_of("", "Secret").count(), 0);
}

#[test]
fn an_object_of_the_largest_size_is_read_and_one_beyond_any_is_not() {
    let large = |bytes: usize| {
        format!(
            r#"{{"metadata":{{"name":"large","namespace":"ml"}},"data":{{"k":"{}"}}}}"#,
            "x".repeat(bytes)
        )
    };
    let item = large(1_500_000);
    let server = Server::start(move |asked| {
        let items = [item.clone()];
        (asked.path == "/api/v1/configmaps").then(|| Reply::Json(list("ConfigMap", "v1", &items, "")))
    });
    let snapshot = server.read(&impatient()).unwrap();
    let listed = snapshot.list("", "ConfigMap").unwrap();
    assert_eq!((listed.objects, &listed.gap), (1, &None));
    let item = large(40 << 20);
    let server = Server::start(move |asked| {
        let items = [item.clone()];
        (asked.path == "/api/v1/configmaps").then(|| Reply::Json(list("ConfigMap", "v1", &items, "")))
    });
    let ask = Ask { silence: Duration::from_secs(5), ..impatient() };
    let snapshot = server.read(&ask).unwrap();
    let gap = snapshot.list("", "ConfigMap").unwrap().gap.clone().unwrap();
    assert!(gap.message.contains("more than 32 MiB"), "{}", gap.message);
}

#[test]
fn items_nested_beyond_reason_are_left_out_and_told() {
    let deep = format!(
        r#"{{"metadata":{{"name":"d","namespace":"ml"}},"spec":{}1{}}}"#,
        "[".repeat(5000),
        "]".repeat(5000)
    );
    let server = Server::start(move |asked| {
        let items = [deep.clone(), pod("ml", "a")];
        (asked.path == "/api/v1/pods").then(|| Reply::Json(list("Pod", "v1", &items, "")))
    });
    let snapshot = server.read(&impatient()).unwrap();
    let pods = snapshot.list("", "Pod").unwrap();
    assert_eq!(pods.objects, 1);
    assert!(pods.gap.as_ref().unwrap().message.contains("nested deeper"), "{:?}", pods.gap);
}

#[test]
fn an_api_that_does_not_say_what_it_serves_is_a_gap_where_it_matters() {
    let discovery = |group: &str| {
        Reply::Json(format!(
            r#"{{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","items":[{{"metadata":{{"name":"{group}"}},"versions":[{{"version":"v1","freshness":"Stale"}}]}}]}}"#
        ))
    };
    let server = Server::start(move |asked| (asked.path == "/apis").then(|| discovery("ray.io")));
    let snapshot = server.read(&impatient()).unwrap();
    let gap = snapshot.list("ray.io", "RayCluster").unwrap().gap.clone().unwrap();
    assert_eq!(gap.kind, GapKind::Failed);
    assert!(gap.message.contains("kubectl get apiservice v1.ray.io"), "{}", gap.message);
    // Nothing of this one is wanted: it is named, and nothing is incomplete for it.
    let server = Server::start(move |asked| (asked.path == "/apis").then(|| discovery("metrics.k8s.io")));
    let snapshot = server.read(&impatient()).unwrap();
    assert!(snapshot.silent[0].starts_with("metrics.k8s.io: "), "{:?}", snapshot.silent);
    let inventory = Inventory::from_snapshot(snapshot, &Options::default());
    assert!(!inventory.coverage.is_incomplete(), "{:?}", inventory.coverage.blind);
}

#[test]
fn kinds_that_are_served_without_a_definition_are_named() {
    let server = Server::start(move |asked| {
        let resource = |plural: &str, kind: &str, verbs: &str| {
            format!(
                r#"{{"resource":"{plural}","responseKind":{{"group":"fleet.example.com","version":"v1","kind":"{kind}"}},"scope":"Namespaced","verbs":[{verbs}]}}"#
            )
        };
        let resources = [
            resource("workers", "Worker", r#""get","list""#),
            // Nothing is kept of these: they are questions.
            resource("reviews", "Review", r#""create""#),
        ];
        let resources = resources.join(",");
        (asked.path == "/apis").then(|| {
            Reply::Json(format!(
                r#"{{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","items":[{{"metadata":{{"name":"fleet.example.com"}},"versions":[{{"version":"v1","freshness":"Current","resources":[{resources}]}}]}}]}}"#
            ))
        })
    });
    let snapshot = server.read(&impatient()).unwrap();
    assert_eq!(snapshot.silent.len(), 1, "{:?}", snapshot.silent);
    let told = snapshot.silent[0].clone();
    assert!(told.starts_with("workers.fleet.example.com: "), "{told}");
    let inventory = Inventory::from_snapshot(snapshot, &Options::default());
    assert!(inventory.coverage.blind.iter().any(|blind| blind.cause == told));
    assert!(!inventory.coverage.is_incomplete(), "{:?}", inventory.coverage.blind);
}

#[test]
fn an_older_server_is_asked_group_by_group() {
    let resources = |kinds: &[(&str, &str, bool)]| {
        let all: Vec<String> = kinds
            .iter()
            .map(|(plural, kind, namespaced)| {
                format!(r#"{{"name":"{plural}","kind":"{kind}","namespaced":{namespaced},"verbs":["get","list"]}}"#)
            })
            .collect();
        Reply::Json(format!(r#"{{"kind":"APIResourceList","resources":[{}]}}"#, all.join(",")))
    };
    let server = Server::start(move |asked| {
        match asked.path.as_str() {
        "/api" => Some(Reply::Json(r#"{"kind":"APIVersions","versions":["v1"]}"#.to_owned())),
        "/apis" => Some(Reply::Json(
            r#"{"kind":"APIGroupList","groups":[
                {"name":"ray.io","versions":[{"version":"v1alpha1"},{"version":"v1"}],"preferredVersion":{"version":"v1"}},
                {"name":"kubeflow.org","versions":[{"version":"v1"}],"preferredVersion":{"version":"v1"}}]}"#
                .to_owned(),
        )),
        "/api/v1" => Some(resources(&[("pods", "Pod", true), ("pods/log", "Pod", true), ("namespaces", "Namespace", false)])),
        "/apis/ray.io/v1" | "/apis/ray.io/v1alpha1" => Some(resources(&[("rayclusters", "RayCluster", true)])),
        "/apis/kubeflow.org/v1" => Some(Reply::Status(503, Vec::new(), "away".to_owned())),
        _ => None,
    }
    });
    let snapshot = server.read(&impatient()).unwrap();
    assert_eq!(snapshot.served("ray.io", "RayCluster").unwrap().versions, ["v1", "v1alpha1"]);
    assert_eq!(snapshot.list("", "Pod").unwrap().gap, None);
    assert_eq!(server.count("/apis/ray.io/v1/rayclusters"), 1);
    let gap = snapshot.list("kubeflow.org", "PyTorchJob").unwrap().gap.clone().unwrap();
    assert!(gap.message.contains("does not say what it serves: 503"), "{}", gap.message);
}

#[test]
fn what_is_no_api_server_is_an_error_that_says_so() {
    for body in ["<html></html>", "{}", "[]", "", "{\"kind\":\"APIGroupDiscoveryList\""] {
        let server = Server::start(move |_| Some(Reply::Json(body.to_owned())));
        let error = server.read(&impatient()).unwrap_err();
        let words = error.to_string();
        assert!(words.starts_with(&server.url), "{words}");
        assert!(matches!(error, ClusterError::Unexpected(_) | ClusterError::Unreachable(_)), "{error:?}");
    }
    let server = Server::start(|_| Some(Reply::Status(404, Vec::new(), "nothing here".to_owned())));
    let words = server.read(&impatient()).unwrap_err().to_string();
    assert!(words.contains("not the answer of an API server") && words.contains("(404)"), "{words}");
}
