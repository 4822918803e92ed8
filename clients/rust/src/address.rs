//! Addresses of the daemon: how they are written, and which one is meant by default.

#[cfg(unix)]
use std::path::PathBuf;
use std::{env, ffi::OsString, fmt, net::Ipv6Addr, str::FromStr};

use crate::{Error, Result};

/// Names the address of the daemon.
const VARIABLE: &str = "HCSD_ADDRESS";
/// Bytes of `sun_path` of Linux without its NUL.
const MAX_SOCKET_PATH: usize = 107;
const SYNTAX: &str = "write unix:///path/to/socket, host:port or [IPv6 address]:port";

/// What the environment says under a name.
pub(crate) type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Where a daemon listens: `unix:///absolute/path`, `unix:/absolute/path`, `host:port` or
/// `[IPv6 address]:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A Unix socket.
    Unix {
        /// Its absolute path.
        path: String,
    },
    /// A TCP port.
    Tcp {
        /// Name or IP address, an IPv6 address without brackets.
        host: String,
        /// The port.
        port: u16,
    },
}

impl Address {
    /// Returns where clients look for a daemon if they are not told.
    ///
    /// This is `HCSD_ADDRESS`, else on Unix `hcsd/hcsd.sock` in the first of these folders that
    /// applies: `XDG_RUNTIME_DIR`; `/run` for root; `XDG_STATE_HOME`; `~/.local/state`. Windows has
    /// `127.0.0.1:7443`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Address`](crate::ErrorKind::Address): `HCSD_ADDRESS` is not an address.
    pub fn from_env() -> Result<Self> {
        match variable(VARIABLE) {
            Some(text) => text.to_string_lossy().parse(),
            None => default_address(),
        }
    }
}

/// Writes the address as [`Address::from_str`] takes it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix { path } => write!(f, "unix://{path}"),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.starts_with("unix:") {
            return parse_unix(text);
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(Error::address(text, "it has no port", SYNTAX));
        };
        Ok(Self::Tcp { host: parse_host(text, host)?, port: parse_port(text, port)? })
    }
}

/// Returns what an environment variable says; nothing if it is empty.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns where programs of this user keep what outlives them.
#[cfg(unix)]
pub(crate) fn state_folder(variable: Variables) -> PathBuf {
    variable("XDG_STATE_HOME")
        .map_or_else(|| env::home_dir().unwrap_or_default().join(".local/state"), PathBuf::from)
}

#[cfg(unix)]
fn default_address() -> Result<Address> {
    let folder = if let Some(folder) = variable("XDG_RUNTIME_DIR") {
        PathBuf::from(folder)
    } else if rustix::process::geteuid().is_root() {
        PathBuf::from("/run")
    } else {
        state_folder(&variable)
    };
    format!("unix://{}/hcsd/hcsd.sock", folder.display()).parse()
}

#[cfg(not(unix))]
fn default_address() -> Result<Address> {
    "127.0.0.1:7443".parse()
}

fn parse_unix(text: &str) -> Result<Address> {
    let path = text.strip_prefix("unix:").unwrap_or(text);
    let path = path.strip_prefix("//").unwrap_or(path);
    if !path.starts_with('/') {
        return Err(Error::address(text, "the path of the socket is not absolute", SYNTAX));
    }
    if path.contains('\0') || path.ends_with('/') {
        return Err(Error::address(text, "it does not name a file", SYNTAX));
    }
    if path.len() > MAX_SOCKET_PATH {
        let problem = format!("a socket's path has at most {MAX_SOCKET_PATH} bytes");
        return Err(Error::address(text, &problem, "choose a shorter one"));
    }
    Ok(Address::Unix { path: path.to_owned() })
}

fn parse_host(text: &str, host: &str) -> Result<String> {
    if let Some(ip) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match ip.parse::<Ipv6Addr>() {
            Ok(ip) => Ok(ip.to_string()),
            Err(_) => Err(Error::address(text, &format!("'{ip}' is not an IPv6 address"), SYNTAX)),
        };
    }
    if host.is_empty() {
        return Err(Error::address(
            text,
            "it has no host",
            "write 127.0.0.1:port for this machine",
        ));
    }
    if host.contains(':') {
        let problem = "an IPv6 address needs brackets";
        return Err(Error::address(text, problem, "write it as in [::1]:7443"));
    }
    if !host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) {
        return Err(Error::address(text, &format!("'{host}' is not a host"), SYNTAX));
    }
    Ok(host.to_owned())
}

fn parse_port(text: &str, port: &str) -> Result<u16> {
    // Not `u16::from_str` alone: it takes a sign.
    match port.parse() {
        Ok(number) if port.bytes().all(|byte| byte.is_ascii_digit()) => Ok(number),
        _ => {
            let problem = format!("'{port}' is not a port");
            Err(Error::address(text, &problem, "a port is a number up to 65535"))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::ErrorKind;

    use super::*;

    #[test]
    fn addresses_are_read_and_written_alike() {
        for text in ["unix:///run/hcsd/hcsd.sock", "localhost:7443", "10.1.2.3:1", "[::1]:65535"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_text_the_problem_and_the_remedy() {
        let long = format!("unix:///{}", "x".repeat(MAX_SOCKET_PATH));
        let cases = [
            ("", "no port", "host:port"),
            ("localhost", "no port", "host:port"),
            (":7443", "no host", "127.0.0.1"),
            ("::1:7443", "brackets", "[::1]:7443"),
            ("[::g]:7443", "'::g' is not an IPv6 address", "[IPv6 address]"),
            ("a b:7443", "'a b' is not a host", "host:port"),
            ("host:", "'' is not a port", "65535"),
            ("host:+1", "'+1' is not a port", "65535"),
            ("host:65536", "'65536' is not a port", "65535"),
            ("unix:relative", "not absolute", "unix:///"),
            ("unix:///folder/", "does not name a file", "unix:///"),
            (&long, "at most 107 bytes", "shorter"),
        ];
        for (text, problem, remedy) in cases {
            let error = text.parse::<Address>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Address);
            let message = error.to_string();
            assert!(message.starts_with(&format!("'{text}' is not an address")), "{message}");
            assert!(message.contains(problem), "{message} lacks {problem}");
            assert!(message.contains(remedy), "{message} lacks {remedy}");
        }
    }

    #[test]
    fn the_path_of_a_socket_may_be_written_without_slashes_before_it() {
        let short: Address = "unix:/run/x.sock".parse().unwrap();
        assert_eq!(short, "unix:///run/x.sock".parse().unwrap());
    }
}
