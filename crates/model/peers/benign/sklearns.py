"""Every estimator of scikit-learn that can be trained on a small table, by pickle and by joblib: sklearns.py FOLDER."""
import inspect, pathlib, pickle, sys, warnings

import joblib
import numpy as np
import sklearn
from sklearn import base, compose, datasets, ensemble, feature_extraction, linear_model, metrics, model_selection, pipeline
from sklearn import preprocessing
from sklearn.utils import all_estimators

warnings.filterwarnings("ignore")
out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True)
X, classes = datasets.load_iris(return_X_y=True)
X, classes = np.abs(X[::3]), classes[::3]
numbers = X[:, 0] * 2 + X[:, 1]
texts = ["a small text", "another text", "words and words", "the last one"] * 5
one = linear_model.LogisticRegression(max_iter=50)
many = [("a", one), ("b", linear_model.RidgeClassifier())]
arguments = {
    "ClassifierChain": [one], "ColumnTransformer": [[("s", preprocessing.StandardScaler(), [0, 1])]],
    "FeatureUnion": [[("s", preprocessing.StandardScaler())]], "FixedThresholdClassifier": [one], "FrozenEstimator": [one],
    "GridSearchCV": [one, {"C": [1.0, 2.0]}], "HalvingGridSearchCV": [one, {"C": [1.0, 2.0]}], "MultiOutputClassifier": [one],
    "MultiOutputRegressor": [linear_model.Ridge()], "OneVsOneClassifier": [one], "OneVsRestClassifier": [one],
    "OutputCodeClassifier": [one], "Pipeline": [[("s", preprocessing.StandardScaler()), ("m", one)]], "RFE": [one], "RFECV": [one],
    "RandomizedSearchCV": [one, {"C": [1.0, 2.0]}, ], "RegressorChain": [linear_model.Ridge()], "SelectFromModel": [one],
    "SelfTrainingClassifier": [one], "SequentialFeatureSelector": [one], "SparseCoder": [np.eye(4)], "StackingClassifier": [many],
    "StackingRegressor": [[("a", linear_model.Ridge())]], "TunedThresholdClassifierCV": [one], "VotingClassifier": [many],
    "VotingRegressor": [[("a", linear_model.Ridge())]],
}
few = {"n_estimators": 3, "max_iter": 20, "random_state": 0, "n_init": 1, "n_components": 2}


def make(name, kind):
    accepted = inspect.signature(kind).parameters
    settings = {key: value for key, value in few.items() if key in accepted and name not in arguments}
    if name in ("FeatureHasher", "HashingVectorizer"):
        settings = {"n_features": 16}
    if name == "RandomizedSearchCV":
        settings = {"n_iter": 2}
    return kind(*arguments.get(name, []), **settings)


def train(name, estimator):
    if name in ("CountVectorizer", "TfidfVectorizer", "HashingVectorizer"):
        return estimator.fit(texts)
    if name == "DictVectorizer":
        return estimator.fit([{"a": 1, "b": 2}, {"a": 3}])
    if name == "FeatureHasher":
        return estimator.fit([{"a": 1}])
    if name == "IsotonicRegression":
        return estimator.fit(X[:, 0], numbers)
    if name == "LabelBinarizer" or name == "LabelEncoder":
        return estimator.fit(classes)
    if name == "MultiLabelBinarizer":
        return estimator.fit([["a"], ["b", "c"]])
    if name == "PatchExtractor":
        return estimator.fit(np.zeros((2, 4, 4)))
    if name in ("MultiOutputClassifier", "ClassifierChain"):
        return estimator.fit(X, np.c_[classes > 0, classes > 1])
    if name in ("MultiOutputRegressor", "RegressorChain") or name.startswith("MultiTask") or name in ("CCA", "PLSCanonical"):
        return estimator.fit(X, np.c_[numbers, X[:, 2]])
    if base.is_regressor(estimator) or name.endswith("Regressor"):
        return estimator.fit(X, numbers)
    if name in ("SpectralCoclustering", "SpectralBiclustering"):
        return estimator.fit(X)
    return estimator.fit(X, classes)


left, written = [], 0
for name, kind in all_estimators():
    try:
        trained = train(name, make(name, kind))
    except Exception as error:
        left.append(f"{name}: {type(error).__name__}: {error}".splitlines()[0])
        continue
    (out / f"{name}.pkl").write_bytes(pickle.dumps(trained))
    joblib.dump(trained, out / f"{name}.joblib")
    written += 1
whole = pipeline.make_pipeline(
    compose.ColumnTransformer([("n", preprocessing.StandardScaler(), [0, 1]), ("r", "passthrough", [2])]),
    ensemble.RandomForestClassifier(n_estimators=3, random_state=0)).fit(X, classes)
joblib.dump(whole, out / "pipeline.joblib.gz")
search = model_selection.GridSearchCV(whole, {"randomforestclassifier__max_depth": [2, 3]}, cv=2).fit(X, classes)
(out / "search.pkl").write_bytes(pickle.dumps(search))
own = metrics.make_scorer(metrics.f1_score, average="macro")
searches = {
    name: model_selection.GridSearchCV(one, {"C": [1.0, 2.0]}, scoring=scoring, refit=refit, cv=2).fit(X, classes)
    for name, scoring, refit in (
        ("accuracy", "accuracy", True), ("log-loss", "neg_log_loss", True), ("own", own, True),
        ("several", ["accuracy", "f1_macro"], "accuracy"),
    )
}
searches["threshold"] = model_selection.TunedThresholdClassifierCV(one, cv=2).fit(X, classes > 0)
for name, search in searches.items():
    (out / f"search-{name}.pkl").write_bytes(pickle.dumps(search))
    joblib.dump(search, out / f"search-{name}.joblib")
print(f"scikit-learn {sklearn.__version__}: {written} estimators, {len(left)} not trained on so small a table")
for line in left:
    print(f"left out: {line}", file=sys.stderr)
