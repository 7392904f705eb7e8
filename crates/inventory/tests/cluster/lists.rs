//! Lists: pages, expiry, refusals, limits.

use std::collections::BTreeSet;
use std::time::Duration;
use std::time::Instant;

use ringfence_inventory::Extent;
use ringfence_inventory::GapKind;
use ringfence_inventory::Inventory;
use ringfence_inventory::Listed;
use ringfence_inventory::Options;
use ringfence_inventory::Seen;
use ringfence_inventory::Snapshot;
use ringfence_inventory::cluster::Ask;

use crate::server::Reply;
use crate::server::Server;
use crate::server::forbidden;
use crate::server::impatient;
use crate::server::list;
use crate::server::pod;

fn pods(snapshot: &Snapshot) -> &Listed {
    snapshot.list("", "Pod").unwrap()
}

fn gap(listed: &Listed) -> (GapKind, &str) {
    let gap = listed.gap.as_ref().expect("a gap");
    (gap.kind, &gap.message)
}

/// Names of the pods in order.
fn names(snapshot: Snapshot) -> Vec<String> {
    let inventory = Inventory::from_snapshot(snapshot, &Options::default());
    inventory.objects_of("", "Pod").map(|pod| pod.name.to_string()).collect()
}

#[test]
fn everything_is_asked_by_get_with_our_name_and_no_resource_version() {
    let server = Server::start(|_| None);
    let snapshot = server.read(&Ask { page: 2, ..impatient() }).unwrap();
    assert!(snapshot.lists.iter().all(|listed| listed.gap.is_none()), "{:?}", snapshot.lists);
    for asked in server.asked() {
        assert_eq!(asked.method, "GET");
        assert_eq!(asked.headers["user-agent"], concat!("ringfence/", env!("CARGO_PKG_VERSION")));
        assert!(!asked.query.contains("resourceVersion"), "{asked:?}");
        assert!(!asked.path.contains("secrets"), "{asked:?}");
    }
    assert_eq!(snapshot.about.version.as_deref(), Some("v1.36.4"));
    assert_eq!(snapshot.about.date.as_deref(), Some("Wed, 25 Nov 2026 01:50:24 GMT"));
    assert_eq!(snapshot.about.context.as_deref(), Some("test"));
    assert_eq!(names(snapshot), ["a", "b", "c"]);
}

#[test]
fn pages_are_followed_to_the_end() {
    let server = Server::start(|asked| {
        let token = asked.parameter("continue").unwrap_or("").to_owned();
        (asked.path == "/api/v1/pods").then(|| match token.as_str() {
            "" => Reply::Json(list("Pod", "v1", &[pod("ml", "a")], "a/b+=&")),
            "a%2Fb%2B%3D%26" => Reply::Json(list("Pod", "v1", &[pod("ml", "b")], "z")),
            "z" => Reply::Json(list("Pod", "v1", &[pod("ml", "c")], "")),
            other => panic!("{other}"),
        })
    });
    let snapshot = server.read(&Ask { page: 1, ..impatient() }).unwrap();
    assert_eq!((pods(&snapshot).objects, &pods(&snapshot).gap), (3, &None));
    assert_eq!(names(snapshot), ["a", "b", "c"]);
}

#[test]
fn a_list_that_expires_in_the_middle_starts_anew_once() {
    let server = Server::start(|asked| {
        (asked.path == "/api/v1/pods").then(|| match (asked.parameter("continue"), asked.before) {
            (None, 0) => Reply::Json(list("Pod", "v1", &[pod("ml", "gone"), pod("ml", "a")], "t")),
            (None, _) => Reply::Json(list("Pod", "v1", &[pod("ml", "a")], "t2")),
            (Some("t"), _) => Reply::Status(
                410,
                Vec::new(),
                r#"{"kind":"Status","code":410,"metadata":{"continue":"later"}}"#.to_owned(),
            ),
            (Some(_), _) => Reply::Json(list("Pod", "v1", &[pod("ml", "b")], "")),
        })
    });
    let snapshot = server.read(&impatient()).unwrap();
    assert_eq!((pods(&snapshot).objects, &pods(&snapshot).gap), (2, &None));
    assert_eq!(names(snapshot), ["a", "b"]);
}

#[test]
fn a_list_that_expires_again_goes_on_and_is_no_whole() {
    let server = Server::start(|asked| {
        (asked.path == "/api/v1/pods").then(|| match asked.parameter("continue") {
            None => Reply::Json(list("Pod", "v1", &[pod("ml", "a")], "t")),
            Some("t") => Reply::Status(
                410,
                Vec::new(),
                r#"{"kind":"Status","code":410,"metadata":{"continue":"later"}}"#.to_owned(),
            ),
            Some("later") => Reply::Json(list("Pod", "v1", &[pod("ml", "b")], "")),
            Some(other) => panic!("{other}"),
        })
    });
    let snapshot = server.read(&impatient()).unwrap();
    let (kind, message) = gap(pods(&snapshot));
    assert_eq!(kind, GapKind::Partial);
    assert!(message.contains("expired twice"), "{message}");
    assert_eq!(pods(&snapshot).extent, Extent::Nowhere);
    assert_eq!(names(snapshot), ["a", "b"]);
}

#[test]
fn an_expired_list_without_a_token_is_told_as_a_part() {
    let server = Server::start(|asked| {
        (asked.path == "/api/v1/pods").then(|| match asked.parameter("continue") {
            None => Reply::Json(list("Pod", "v1", &[pod("ml", "a")], "t")),
            Some(_) => Reply::Status(410, Vec::new(), "gone".to_owned()),
        })
    });
    let snapshot = server.read(&impatient()).unwrap();
    assert_eq!(gap(pods(&snapshot)).0, GapKind::Partial);
    assert_eq!(names(snapshot), ["a"]);
}

#[test]
fn endless_pages_end() {
    // The same token for ever, and new tokens that bring nothing for ever.
    let same = Server::start(|asked| {
        (asked.path == "/api/v1/pods").then(|| Reply::Json(list("Pod", "v1", &[pod("ml", "a")], "t")))
    });
    let snapshot = same.read(&impatient()).unwrap();
    assert!(gap(pods(&snapshot)).1.contains("bring nothing new"), "{:?}", pods(&snapshot));
    let empty = Server::start(|asked| {
        let next = asked.parameter("continue").unwrap_or("0").parse::<u32>().unwrap() + 1;
        (asked.path == "/api/v1/pods").then(|| Reply::Json(list("Pod", "v1", &[], &next.to_string())))
    });
    let snapshot = empty.read(&impatient()).unwrap();
    assert!(gap(pods(&snapshot)).1.contains("bring nothing new"), "{:?}", pods(&snapshot));
    // Pages that bring something for ever end at the budget.
    let full = Server::start(|asked| {
        let next = asked.parameter("continue").unwrap_or("0").parse::<u32>().unwrap() + 1;
        (asked.path == "/api/v1/pods").then(|| {
            let pods: Vec<String> = (0..100).map(|number| pod("ml", &format!("p{next}-{number}"))).collect();
            Reply::Json(list("Pod", "v1", &pods, &next.to_string()))
        })
    });
    let snapshot = full.read(&Ask { max_bytes: 200_000, ..impatient() }).unwrap();
    let (kind, message) = gap(pods(&snapshot));
    assert_eq!(kind, GapKind::Partial);
    assert!(message.contains("more than 200000 bytes"), "{message}");
}

#[test]
fn what_is_refused_everywhere_is_asked_by_namespace() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/api/v1/pods" | "/api/v1/configmaps" => {
            Some(forbidden("User \\\"jane\\\" cannot list at the cluster scope"))
        }
        "/api/v1/namespaces/ml/pods" => Some(Reply::Json(list("Pod", "v1", &[pod("ml", "a")], ""))),
        "/api/v1/namespaces/own/pods" | "/api/v1/namespaces/web/pods" => Some(forbidden("no")),
        _ => None,
    });
    let snapshot = server.read(&impatient()).unwrap();
    let (kind, message) = gap(pods(&snapshot));
    assert_eq!(kind, GapKind::Forbidden);
    assert!(message.contains("forbidden in namespaces own, web"), "{message}");
    assert!(message.contains("{apiGroups: [\"\"], resources: [pods], verbs: [list]}"), "{message}");
    assert_eq!(pods(&snapshot).extent, Extent::Namespaces(BTreeSet::from(["ml".to_owned()])));
    // Where pods may not be seen nothing else is tried.
    assert_eq!(server.count("/api/v1/namespaces/ml/configmaps"), 1);
    assert_eq!(server.count("/api/v1/namespaces/web/configmaps"), 0);
    let inventory = Inventory::from_snapshot(snapshot, &Options::default());
    assert_eq!(inventory.sight.namespaced("", "Pod", Some("ml")), Seen::All);
    assert!(matches!(inventory.sight.namespaced("", "Pod", Some("web")), Seen::Partial(_)));
    assert!(inventory.coverage.is_incomplete());
    assert_eq!((inventory.coverage.lists.forbidden, inventory.coverage.lists.answered), (2, 4));
}

#[test]
fn every_namespace_that_answers_adds_up_to_the_whole() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/api/v1/pods" => Some(forbidden("no")),
        "/api/v1/namespaces/ml/pods" => Some(Reply::Json(list("Pod", "v1", &[pod("ml", "a")], ""))),
        "/api/v1/namespaces/own/pods" | "/api/v1/namespaces/web/pods" => {
            Some(Reply::Json(list("Pod", "v1", &[], "")))
        }
        _ => None,
    });
    let snapshot = server.read(&impatient()).unwrap();
    assert_eq!((&pods(&snapshot).extent, &pods(&snapshot).gap), (&Extent::Everywhere, &None));
}

#[test]
fn a_user_of_one_namespace_who_may_not_list_them_sees_that_one() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/api/v1/namespaces" | "/api/v1/pods" => Some(forbidden("no")),
        "/api/v1/namespaces/own" => Some(Reply::Json(
            r#"{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"own"}}"#.to_owned(),
        )),
        "/api/v1/namespaces/own/pods" => Some(Reply::Json(list("Pod", "v1", &[pod("own", "a")], ""))),
        _ => None,
    });
    let snapshot = server.read(&impatient()).unwrap();
    let (kind, message) = gap(pods(&snapshot));
    assert_eq!(kind, GapKind::Forbidden);
    assert!(message.contains("seen in namespace own only"), "{message}");
    assert_eq!(gap(snapshot.list("", "Namespace").unwrap()).0, GapKind::Forbidden);
    assert_eq!(names(snapshot), ["a"]);
}

#[test]
fn a_scan_that_is_narrowed_asks_only_there_and_says_so() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/api/v1/namespaces/ml" => {
            Some(Reply::Json(r#"{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"ml"}}"#.to_owned()))
        }
        "/api/v1/namespaces/ml/pods" => Some(Reply::Json(list("Pod", "v1", &[pod("ml", "a")], ""))),
        "/api/v1/namespaces/ml/configmaps" => Some(Reply::Json(list("ConfigMap", "v1", &[], ""))),
        "/apis/networking.k8s.io/v1/namespaces/ml/networkpolicies" => {
            Some(Reply::Json(list("NetworkPolicy", "networking.k8s.io/v1", &[], "")))
        }
        "/apis/ray.io/v1/namespaces/ml/rayclusters" => {
            Some(Reply::Json(list("RayCluster", "ray.io/v1", &[], "")))
        }
        _ => None,
    });
    let ask =
        Ask { namespaces: vec!["ml".to_owned()], selector: Some("app in (a,b)".to_owned()), ..impatient() };
    let snapshot = server.read(&ask).unwrap();
    assert_eq!(server.count("/api/v1/pods"), 0);
    let asked = server.asked();
    let of = |path: &str| asked.iter().find(|one| one.path == path).unwrap().query.clone();
    assert!(of("/api/v1/namespaces/ml/pods").contains("labelSelector=app%20in%20%28a%2Cb%29"));
    assert!(!of("/api/v1/namespaces/ml/configmaps").contains("labelSelector"));
    assert!(snapshot.lists.iter().all(|listed| listed.gap.is_none()), "narrowed is not incomplete");
    let inventory = Inventory::from_snapshot(snapshot, &Options::default());
    assert_eq!(inventory.sight.namespaced("networking.k8s.io", "NetworkPolicy", Some("ml")), Seen::All);
    assert!(inventory.sight.namespaced("networking.k8s.io", "NetworkPolicy", Some("web")).doubt().is_some());
    assert!(inventory.sight.namespaced("", "Pod", Some("ml")).doubt().is_some(), "a label left some out");
}

#[test]
fn a_namespace_that_is_not_there_is_told() {
    let server = Server::start(|_| None);
    let ask = Ask { namespaces: vec!["mll".to_owned()], ..impatient() };
    let snapshot = server.read(&ask).unwrap();
    assert!(gap(snapshot.list("", "Namespace").unwrap()).1.contains("there is no namespace mll"));
}

#[test]
fn what_is_not_reached_in_time_is_told_as_such() {
    let server = Server::start(|asked| (asked.path == "/api/v1/nodes").then_some(Reply::Hang));
    let start = Instant::now();
    let ask = Ask { deadline: Duration::from_secs(1), silence: Duration::from_secs(30), ..Ask::default() };
    let snapshot = server.read(&ask).unwrap();
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    let (kind, message) = gap(snapshot.list("", "Node").unwrap());
    assert_eq!(kind, GapKind::NotReached);
    assert!(message.contains("time limit"), "{message}");
    assert_eq!(pods(&snapshot).gap, None, "others were listed");
}

#[test]
fn a_server_that_is_busy_is_asked_again_when_it_says() {
    let server = Server::start(|asked| {
        let busy = asked.path == "/api/v1/pods" && asked.before < 2;
        busy.then(|| Reply::Status(429, vec![("retry-after", "0".to_owned())], "slow down".to_owned()))
    });
    let snapshot = server.read(&impatient()).unwrap();
    assert_eq!(server.count("/api/v1/pods"), 3);
    assert_eq!(pods(&snapshot).gap, None);
    // For ever, and longer than there is time.
    let server = Server::start(|asked| {
        (asked.path == "/api/v1/pods")
            .then(|| Reply::Status(429, vec![("retry-after", "3600".to_owned())], String::new()))
    });
    let start = Instant::now();
    let snapshot = server.read(&Ask { deadline: Duration::from_secs(3), ..impatient() }).unwrap();
    assert!(start.elapsed() < Duration::from_secs(15));
    assert_eq!(gap(pods(&snapshot)).0, GapKind::NotReached);
}

#[test]
fn an_error_of_the_server_is_tried_again_and_then_told() {
    let server = Server::start(|asked| {
        (asked.path == "/api/v1/pods").then(|| {
            Reply::Status(503, Vec::new(), r#"{"kind":"Status","message":"etcd is away"}"#.to_owned())
        })
    });
    let snapshot = server.read(&impatient()).unwrap();
    let (kind, message) = gap(pods(&snapshot));
    assert_eq!(kind, GapKind::Failed);
    assert!(message.contains("503 etcd is away"), "{message}");
    assert!(server.count("/api/v1/pods") >= 3);
    assert!(names(snapshot).is_empty());
}

#[test]
fn pods_of_one_maker_are_folded_and_owners_are_metadata() {
    let one = |name: &str| {
        pod("ml", name).replace(
            r#""resourceVersion":"7""#,
            r#""resourceVersion":"7","ownerReferences":[{"apiVersion":"x/v1","kind":"X","name":"x","uid":"u","controller":true}]"#,
        )
    };
    let pods: Vec<String> = (0..40).map(|number| one(&format!("p-{number}"))).collect();
    let server = Server::start(move |asked| {
        (asked.path == "/api/v1/pods").then(|| Reply::Json(list("Pod", "v1", &pods, "")))
    });
    let snapshot = server.read(&impatient()).unwrap();
    assert_eq!(snapshot.list("", "Pod").unwrap().objects, 40);
    let inventory = Inventory::from_snapshot(snapshot, &Options::default());
    let (id, _) = inventory.objects().find(|(_, object)| object.is("", "Pod")).unwrap();
    assert_eq!(inventory.objects_of("", "Pod").count(), 1);
    assert_eq!(inventory.running_pods(id), Some(40));
}
