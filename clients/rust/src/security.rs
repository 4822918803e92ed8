//! What a client sends to a daemon over TCP, and by what the daemon proves itself before.

use std::path::{Path, PathBuf};

use crate::{
    Address, Error, ErrorKind, Result,
    address::{Variables, variable},
};

const INSECURE: &str = "HCSD_INSECURE";
/// What a daemon puts beside its token.
const SERVER_CERTIFICATE: &str = "server.pem";

/// What the builder says about TCP; what it leaves out the environment says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) insecure: Option<bool>,
    pub(crate) files: Files,
}

/// Files that a client may be told of. Without a CA it is those that the system trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) token: Option<PathBuf>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

/// How a daemon is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    /// In clear, as over every Unix socket.
    Clear,
    /// By TLS, with these files.
    Tls(Files),
}

/// What a client finds where it runs.
struct Surroundings<'a> {
    variable: Variables<'a>,
    exists: &'a dyn Fn(&Path) -> bool,
    /// Where a daemon of this user keeps its token.
    default_token: Option<PathBuf>,
}

impl Options {
    /// Returns how the daemon at an address is reached.
    pub(crate) fn at(self, address: &Address) -> Result<Security> {
        match address {
            Address::Unix { .. } => Ok(Security::Clear),
            Address::Tcp { .. } => self.resolve(&Surroundings {
                variable: &variable,
                // One that cannot be looked at counts, too: reading it gives an error that names it.
                exists: &|path| path.try_exists().unwrap_or(true),
                default_token: default_token_file(&variable),
            }),
        }
    }

    /// Decides what is sent over TCP, and by what the daemon proves itself before. All client libraries
    /// decide alike:
    ///
    /// - Clear text is for those who ask for it, and goes with no token and no file of TLS.
    /// - Where nothing is named, the token is that of the daemon's own file, if the daemon's certificate
    ///   is beside it.
    /// - Where no CA is named, it is the certificate beside the token, else any that the system trusts.
    ///
    /// So a token that nobody named is only sent to the daemon that has made it.
    fn resolve(self, here: &Surroundings) -> Result<Security> {
        let in_clear = asks_for_clear_text(self.insecure, here.variable)?;
        let mut files = self.files;
        let mut named = false;
        for (file, setter, name, kind) in [
            (&mut files.token, "token_file", "HCSD_TOKEN_FILE", ErrorKind::TokenFile),
            (&mut files.ca, "tls_ca_file", "HCSD_TLS_CA", ErrorKind::Tls),
            (&mut files.cert, "tls_identity_files", "HCSD_TLS_CERT", ErrorKind::Tls),
            (&mut files.key, "tls_identity_files", "HCSD_TLS_KEY", ErrorKind::Tls),
        ] {
            let mut source = setter;
            if file.as_ref().is_none_or(|path| path.as_os_str().is_empty()) {
                (*file, source) = ((here.variable)(name).map(PathBuf::from), name);
            }
            let Some(path) = file else { continue };
            named = true;
            if let Some(who) = in_clear {
                let path = path.display();
                let message = format!(
                    "{source} names '{path}', but {who} asks for clear text, without token and TLS: \
                     leave out one of the two"
                );
                return Err(Error::new(kind, message));
            }
        }
        if in_clear.is_some() {
            return Ok(Security::Clear);
        }
        let exists = |path: &PathBuf| (here.exists)(path);
        if !named {
            let own = here.default_token.clone();
            files.token = own.filter(|token| exists(token) && exists(&beside(token)));
        }
        files.ca = files.ca.or_else(|| files.token.as_deref().map(beside).filter(exists));
        Ok(Security::Tls(files))
    }
}

impl Security {
    /// Says what the client has sent to prove itself.
    pub(crate) fn shown(&self) -> String {
        let mut sent = Vec::new();
        if let Self::Tls(files) = self {
            let token = files.token.iter().map(|file| ("token", file));
            for (what, file) in token.chain(files.cert.iter().map(|file| ("certificate", file))) {
                sent.push(format!("the {what} in '{}'", file.display()));
            }
        }
        if sent.is_empty() {
            sent.push("no token and no certificate".to_owned());
        }
        format!("this client sent {}", sent.join(" and "))
    }
}

/// Returns what asks for clear text, if anything does.
fn asks_for_clear_text(option: Option<bool>, variable: Variables) -> Result<Option<&'static str>> {
    if let Some(wanted) = option {
        return Ok(wanted.then_some("insecure"));
    }
    let value = variable(INSECURE).unwrap_or_default();
    match &*value.to_string_lossy() {
        "1" | "true" => Ok(Some(INSECURE)),
        "" | "0" | "false" => Ok(None),
        value => Err(Error::new(
            ErrorKind::Tls,
            format!(
                "{INSECURE} is '{value}', which is neither yes nor no: set it to 1 for clear text, \
                 or to 0 for TLS"
            ),
        )),
    }
}

/// Returns where a daemon puts the certificate of its CA.
fn beside(token_file: &Path) -> PathBuf {
    token_file.with_file_name(SERVER_CERTIFICATE)
}

/// Returns where a daemon of this user keeps its token if nobody says otherwise; never in the working
/// directory.
fn default_token_file(variable: Variables) -> Option<PathBuf> {
    let folder = daemon_folder(variable);
    folder.is_absolute().then(|| folder.join("hcsd").join("token"))
}

#[cfg(unix)]
fn daemon_folder(variable: Variables) -> PathBuf {
    if rustix::process::geteuid().is_root() {
        PathBuf::from("/var/lib")
    } else {
        crate::address::state_folder(variable)
    }
}

#[cfg(not(unix))]
fn daemon_folder(variable: Variables) -> PathBuf {
    PathBuf::from(variable("PROGRAMDATA").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "/state/hcsd/token";
    const SERVER: &str = "/state/hcsd/server.pem";
    const OWN: &[&str] = &[TOKEN, SERVER];

    type Named<'a> = &'a [(&'a str, &'a str)];

    /// Resolves what is named by the builder, in the environment, and what files there are.
    fn resolve(
        insecure: Option<bool>,
        built: Named,
        environment: Named,
        there: &[&str],
    ) -> Result<Security> {
        let find = |rows: Named, name: &str| {
            rows.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        let built = |name| find(built, name).map(PathBuf::from);
        let files = Files {
            token: built("token"),
            ca: built("ca"),
            cert: built("cert"),
            key: built("key"),
        };
        Options { insecure, files }.resolve(&Surroundings {
            variable: &|name| find(environment, name).map(Into::into),
            exists: &|path| there.iter().any(|file| Path::new(file) == path),
            default_token: Some(PathBuf::from(TOKEN)),
        })
    }

    fn tls(token: &str, ca: &str, cert: &str, key: &str) -> Security {
        let file = |name: &str| Some(PathBuf::from(name)).filter(|_| !name.is_empty());
        Security::Tls(Files { token: file(token), ca: file(ca), cert: file(cert), key: file(key) })
    }

    #[test]
    fn what_is_sent_and_who_proves_itself() {
        let clear = || Security::Clear;
        let named = &["/n/token", "/n/server.pem", TOKEN, SERVER];
        let rows: [(_, Named, Named, &[&str], _); 20] = [
            (None, &[], &[], &[], tls("", "", "", "")),
            (None, &[], &[], OWN, tls(TOKEN, SERVER, "", "")),
            (None, &[], &[], &[TOKEN], tls("", "", "", "")),
            (None, &[], &[], &[SERVER], tls("", "", "", "")),
            (None, &[("token", "")], &[], OWN, tls(TOKEN, SERVER, "", "")),
            (None, &[("token", "/n/token")], &[], named, tls("/n/token", "/n/server.pem", "", "")),
            (
                None,
                &[],
                &[("HCSD_TOKEN_FILE", "/n/token")],
                named,
                tls("/n/token", "/n/server.pem", "", ""),
            ),
            (None, &[("token", "/n/token")], &[], OWN, tls("/n/token", "", "", "")),
            (
                None,
                &[("token", "/n/token")],
                &[("HCSD_TLS_CA", "/ca")],
                named,
                tls("/n/token", "/ca", "", ""),
            ),
            (None, &[("ca", "/ca")], &[], OWN, tls("", "/ca", "", "")),
            (None, &[], &[("HCSD_TLS_CA", "/ca")], OWN, tls("", "/ca", "", "")),
            (None, &[("cert", "/me"), ("key", "/mine")], &[], OWN, tls("", "", "/me", "/mine")),
            (
                None,
                &[],
                &[("HCSD_TLS_CERT", "/me"), ("HCSD_TLS_KEY", "/mine")],
                OWN,
                tls("", "", "/me", "/mine"),
            ),
            (None, &[("ca", "/ca")], &[("HCSD_TLS_CA", "/other")], &[], tls("", "/ca", "", "")),
            (Some(true), &[], &[], OWN, clear()),
            (None, &[], &[("HCSD_INSECURE", "1")], OWN, clear()),
            (None, &[], &[("HCSD_INSECURE", "true")], &[], clear()),
            (None, &[], &[("HCSD_INSECURE", "0")], &[], tls("", "", "", "")),
            (None, &[], &[("HCSD_INSECURE", "false")], &[], tls("", "", "", "")),
            (Some(false), &[], &[("HCSD_INSECURE", "1")], OWN, tls(TOKEN, SERVER, "", "")),
        ];
        for (insecure, built, environment, there, wanted) in rows {
            let found = resolve(insecure, built, environment, there).unwrap();
            assert_eq!(found, wanted, "{insecure:?} {built:?} {environment:?} {there:?}");
        }
    }

    #[test]
    fn what_does_not_go_with_clear_text_is_named() {
        let yes = Some(true);
        let rows: [(_, Named, Named, _, _); 7] = [
            (
                yes,
                &[("token", "/t")],
                &[],
                ErrorKind::TokenFile,
                "token_file names '/t', but insecure asks",
            ),
            (yes, &[("ca", "/c")], &[], ErrorKind::Tls, "tls_ca_file names '/c'"),
            (yes, &[("cert", "/c")], &[], ErrorKind::Tls, "tls_identity_files names '/c'"),
            (yes, &[("key", "/k")], &[], ErrorKind::Tls, "tls_identity_files names '/k'"),
            (
                yes,
                &[],
                &[("HCSD_TOKEN_FILE", "/t")],
                ErrorKind::TokenFile,
                "HCSD_TOKEN_FILE names '/t'",
            ),
            (
                None,
                &[],
                &[("HCSD_TLS_CA", "/c"), ("HCSD_INSECURE", "1")],
                ErrorKind::Tls,
                "HCSD_TLS_CA names '/c', but HCSD_INSECURE asks",
            ),
            (None, &[], &[("HCSD_INSECURE", "maybe")], ErrorKind::Tls, "HCSD_INSECURE is 'maybe'"),
        ];
        for (insecure, built, environment, kind, said) in rows {
            let error = resolve(insecure, built, environment, &[]).unwrap_err();
            assert_eq!(error.kind(), kind);
            assert!(error.to_string().contains(said), "no '{said}' in: {error}");
        }
    }

    #[test]
    fn an_environment_that_says_nothing_leads_to_no_file_here() {
        let found = default_token_file(&|name| (name == "XDG_STATE_HOME").then(|| "state".into()));
        assert!(found.is_none_or(|file| file.is_absolute()));
    }
}
