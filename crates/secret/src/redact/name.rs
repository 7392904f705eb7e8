//! Room `secret`: name of a field, variable, header or flag -> does a secret stand under it?

/// True for names under which any value is masked, whatever its shape: `OPENAI_API_KEY`, `hfToken`,
/// `redis.password`, `--api-key`, `Authorization`.
///
/// False for names of a *reference* to a secret (`secretName`, `passwordSecretRef`, `tokenPath`) and for
/// tokens that are no credentials (`max_tokens`, `eos_token`). When in doubt, true: a mask too many costs a
/// look into the file, one too few is a leak.
pub fn is_key_like(name: &str) -> bool {
    // Of an annotation key or a path only the last part names the value.
    let name = name.rsplit('/').next().unwrap_or_default();
    if HARMLESS_NAMES.contains(&name) || !has_stem(name) {
        return false;
    }
    let words = words(name);
    if words.iter().any(|word| word == "existing") || is_reference_words(&words) {
        return false;
    }
    if words.first().is_some_and(|first| SWITCHES.contains(&first.as_str())) {
        return false;
    }
    words.iter().any(|word| is_secret_word(word))
        || words.windows(2).any(|pair| matches!(pair, [a, b] if is_secret_pair(a, b)))
        || is_token(&words)
        || is_key_variable(name, &words)
}

/// False for most names, and cheap: every table below is made of these stems.
fn has_stem(name: &str) -> bool {
    let name = name.as_bytes();
    let starts = |at: usize, stem: &str| {
        name.get(at..at + stem.len()).is_some_and(|part| part.eq_ignore_ascii_case(stem.as_bytes()))
    };
    (0..name.len()).any(|at| STEMS.iter().any(|stem| starts(at, stem)))
}

#[rustfmt::skip]
const STEMS: &[&str] = &[
    "auth", "bearer", "conn", "cookie", "cred", "dsn", "jwt", "key", "otp", "pass", "pat", "pwd", "salt",
    "secret", "token", "webhook",
];

/// True for names whose value says *where* a secret is, or how it is handled, and never holds it.
pub(super) fn is_reference(name: &str) -> bool {
    let words = words(name);
    name == "valueFrom" || words.iter().any(|word| word == "existing") || is_reference_words(&words)
}

fn is_reference_words(words: &[String]) -> bool {
    words.len() > 1 && words.last().is_some_and(|last| REFERENCE_ENDINGS.contains(&last.as_str()))
}

/// Names of Kubernetes and of shells that would read as secrets.
const HARMLESS_NAMES: &[&str] = &[
    "OLDPWD",
    "PWD",
    // The External Secrets Operator's name for the key *inside* the Secret it writes.
    "secretKey",
    // Source of a projected volume.
    "serviceAccountToken",
];

/// `automountServiceAccountToken`, `--enable-auth`: what follows is a switch or belongs to something else.
const SWITCHES: &[&str] = &["allow", "automount", "disable", "enable", "no", "skip"];

#[rustfmt::skip]
const REFERENCE_ENDINGS: &[&str] = &[
    "annotations", "audience", "audiences", "class", "count", "dir", "directory", "enabled", "endpoint",
    "env", "expiration", "expiry", "file", "files", "header", "host", "issuer", "labels", "length", "limit",
    "mode", "mount", "name", "names", "namespace", "objects", "path", "paths", "policy", "port", "provider",
    "realm", "ref", "reference", "refs", "request", "requests", "review", "seconds", "selector", "size",
    "store", "template", "ttl", "type", "uri", "url", "var", "variable", "version", "volume",
];

fn is_secret_word(word: &str) -> bool {
    SECRET_WORDS.contains(&word)
        || SECRET_PARTS.iter().any(|part| word.contains(part)) && word != "passwordless"
        || SECRET_ENDINGS.iter().any(|ending| word.len() > ending.len() && word.ends_with(ending))
            && !PASS_WORDS.contains(&word)
}

#[rustfmt::skip]
const SECRET_WORDS: &[&str] = &[
    "auth", "authorization", "bearer", "cookie", "cred", "creds", "dsn", "jwt", "otp", "pass", "passcode",
    "pat", "pwd", "salt", "secret",
];
/// Written without a border (`PGPASSWORD`, `openaiapikey`).
#[rustfmt::skip]
const SECRET_PARTS: &[&str] = &[
    "accesskey", "accesstoken", "apikey", "apitoken", "authtoken", "connectionstring", "connstr",
    "credential", "passphrase", "passw", "privatekey", "secretaccess", "secretkey",
];
const SECRET_ENDINGS: &[&str] = &["auth", "pass", "pwd", "secret", "token"];
const PASS_WORDS: &[&str] = &["bypass", "compass", "detoken", "encompass", "retoken", "surpass", "underpass"];

fn is_secret_pair(first: &str, second: &str) -> bool {
    match second {
        "key" | "keys" => KEY_OWNERS.contains(&first) || PROVIDERS.contains(&first),
        "str" | "string" => matches!(first, "conn" | "connection"),
        "word" => first == "pass",
        "webhook" => matches!(first, "discord" | "slack" | "teams"),
        _ => false,
    }
}

#[rustfmt::skip]
const KEY_OWNERS: &[&str] = &[
    "access", "account", "admin", "api", "auth", "client", "deploy", "encryption", "hmac", "license",
    "master", "private", "rsa", "secret", "server", "session", "shared", "signing", "ssh", "ssl", "storage",
    "tls", "token",
];
#[rustfmt::skip]
const PROVIDERS: &[&str] = &[
    "anthropic", "aws", "azure", "claude", "cohere", "gcp", "gemini", "groq", "hf", "huggingface",
    "langfuse", "langsmith", "minio", "mistral", "ngc", "nvidia", "openai", "openrouter", "pinecone",
    "qdrant", "replicate", "together", "wandb", "weaviate",
];

/// `token` and `tokens`, unless they are what a language model counts or a tokenizer reserves.
fn is_token(words: &[String]) -> bool {
    let is_one = words.iter().any(|word| word == "token" || word == "tokens");
    let is_text = words.iter().any(|word| TEXT_TOKENS.contains(&word.as_str()));
    // `API_SECRETS=` holds values; `secrets`, `imagePullSecrets` and `external-secrets` name objects.
    let holds_secrets = words.last().is_some_and(|word| word == "secrets") && words.len() > 1;
    (is_one && !is_text) || (holds_secrets && words.iter().all(|word| !OBJECT_WORDS.contains(&word.as_str())))
}

#[rustfmt::skip]
const TEXT_TOKENS: &[&str] = &[
    "added", "batched", "bos", "cls", "completion", "context", "count", "eos", "generated", "ids", "image",
    "input", "len", "mask", "max", "min", "new", "num", "output", "pad", "per", "prompt", "sep", "special",
    "stop", "total", "unk", "vocab",
];
const OBJECT_WORDS: &[&str] = &["csi", "external", "image", "pull", "sealed", "store"];

/// `LLM_KEY`: a variable that ends so holds a key, unless the word before says which other kind.
fn is_key_variable(name: &str, words: &[String]) -> bool {
    let is_variable = name.contains('_') && !name.bytes().any(|byte| byte.is_ascii_lowercase());
    match words {
        [.., before, last] => is_variable && last == "key" && !OTHER_KEYS.contains(&before.as_str()),
        _ => false,
    }
}

#[rustfmt::skip]
const OTHER_KEYS: &[&str] = &[
    "cache", "foreign", "group", "host", "idempotency", "label", "map", "object", "partition", "primary",
    "public", "routing", "sort", "topology",
];

/// Lower-case words of a name: `awsSecretAccessKey`, `AWS_SECRET_ACCESS_KEY` and `aws-secret-access-key` give
/// the same four.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let characters: Vec<char> = name.chars().collect();
    for (at, &character) in characters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| characters.get(before));
        let after = characters.get(at + 1);
        // `hfToken`, and the last capital of `HFToken`.
        let begins = character.is_uppercase()
            && before.is_some_and(|before| !before.is_uppercase() || after.is_some_and(|c| c.is_lowercase()));
        if begins || !character.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| character.is_alphanumeric()) {
            word.extend(character.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rustfmt::skip]
    const KEY_LIKE: &[&str] = &[
        "OPENAI_API_KEY", "openai_api_key", "openaiApiKey", "openaiapikey", "api-key", "apikey", "apiKey",
        "APIKey", "x-api-key", "X-Vault-Token", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "hfToken", "HFToken",
        "hftoken", "--hf-token", "--token", "-token", "token", "tokens", "auth_tokens",
        "MINIO_ROOT_PASSWORD", "PGPASSWORD", "password", "Password", "passwd", "db-pass", "REDIS_AUTH",
        "redis-password", "spring.datasource.password", "requirepass", "masterauth", "userPassword",
        "DB_PWD", "pwd", "secret", "clientSecret", "client_secret", "JWT_SECRET", "SECRET_KEY",
        "secret_key", "awsSecretAccessKey", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "accessKey",
        "private_key", "privateKey", "credentials", "GOOGLE_APPLICATION_CREDENTIALS_JSON", "authToken",
        "authorization", "Authorization", "proxy-authorization", "auth", "basicAuth", "connectionString",
        "AZURE_STORAGE_CONNECTION_STRING", "SENTRY_DSN", "salt", "PASSWORD_SALT", "bearer", "Cookie",
        "set-cookie", "OPENAI_KEY", "LLM_KEY", "openai_key", "client-key-data", "tls.key", "WANDB_API_KEY",
        "ringfence.dev/api-token", "SERVICE_ACCOUNT_TOKEN", "encryptionKey", "SLACK_WEBHOOK", "APP_SECRETS",
        "passphrase", "GITHUB_PAT", "MINIO_SECRET_KEY", "minioSecretKey", "sessionToken", "refresh_token",
        "bot_token", "PASSWORD_HASH",
    ];

    #[rustfmt::skip]
    const NOT_KEY_LIKE: &[&str] = &[
        "secretName", "secretRef", "secretKeyRef", "secretKey", "secretNamespace", "secretStoreRef",
        "secretProviderClass", "automountServiceAccountToken", "tokenExpirationSeconds", "imagePullSecrets",
        "secrets", "external-secrets", "max_tokens", "maxTokens", "--max-num-batched-tokens", "num_tokens",
        "tokensPerSecond", "tokenizer", "tokenizer_config", "--tokenizer-mode", "eos_token", "pad_token_id",
        "keyboard", "serviceAccountToken", "author", "authors", "authorized", "authority", "authMode",
        "auth-type", "--authorization-mode", "passwordSecretRef", "existingSecret",
        "existingSecretPasswordKey", "HF_TOKEN_PATH", "POSTGRES_PASSWORD_FILE", "tokenPath", "token_type",
        "--enable-auth", "PWD", "key", "name", "value", "image", "topologyKey", "PARTITION_KEY",
        "CACHE_KEY", "publicKey", "monkey", "bypass", "compass", "passwordPolicy", "apiKeySecretRef",
        "api_key_env_var", "authUrl", "token_count", "secretsManager", "path", "pathType", "accessModes",
        "pattern", "dispatch", "stop_token_ids", "issuer", "credentialsFile", "assault", "data", "", "-",
        "/",
    ];

    #[test]
    fn names_under_which_a_secret_stands() {
        let missed: Vec<_> = KEY_LIKE.iter().filter(|name| !is_key_like(name)).collect();
        assert!(missed.is_empty(), "{missed:?}");
    }

    #[test]
    fn names_under_which_none_stands() {
        let masked: Vec<_> = NOT_KEY_LIKE.iter().filter(|name| is_key_like(name)).collect();
        assert!(masked.is_empty(), "{masked:?}");
    }

    #[test]
    fn names_of_references() {
        for name in ["valueFrom", "secretKeyRef", "secretName", "existingSecret", "configMapRef"] {
            assert!(is_reference(name), "{name}");
        }
        for name in ["name", "path", "password", "secret", "ref"] {
            assert!(!is_reference(name), "{name}");
        }
    }

    #[test]
    fn splits_every_way_of_writing_a_name_alike() {
        for name in
            ["awsSecretAccessKey", "AWS_SECRET_ACCESS_KEY", "aws-secret-access-key", "AWSSecretAccessKey"]
        {
            assert_eq!(words(name), ["aws", "secret", "access", "key"], "{name}");
        }
    }
}
