//! Which addresses a call may reach.
//!
//! An address in the configuration, or one that a partner's answer makes us use, must not turn
//! this program into a way into its own network (server-side request forgery). Every address is
//! checked at the moment of connecting, after its name was looked up, so that a name that changes
//! its answer between check and use gains nothing.
//!
//! The ranges are written out because `IpAddr::is_global` is not stable. Sources: the IANA IPv4
//! and IPv6 special-purpose address registries.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Where a call may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Only addresses of the public internet.
    Public,
    /// Also loopback and the private ranges of a company's own network: what `internal = true`
    /// in the configuration of a target or channel means.
    Internal,
}

/// What kind of address one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Public,
    Private,
    /// Link-local, multicast, reserved, translated or metadata services of clouds: nothing that
    /// a partner lives at, whatever the configuration says.
    Never,
}

/// The address of a cloud's metadata service inside a range that is private otherwise.
const METADATA_V4: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254);

impl Scope {
    /// Whether a call of this scope may connect to `address`.
    #[must_use]
    pub fn permits(self, address: IpAddr) -> bool {
        match (reach(address), self) {
            (Reach::Public, Self::Public | Self::Internal) | (Reach::Private, Self::Internal) => {
                true
            }
            (Reach::Private, Self::Public) | (Reach::Never, Self::Public | Self::Internal) => false,
        }
    }
}

fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(v4) => reach_v4(v4),
        IpAddr::V6(v6) => reach_v6(v6),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    if address == METADATA_V4 {
        return Reach::Never;
    }
    match address.octets() {
        [10 | 127, ..]                      // private (RFC 1918), loopback
        | [172, 16..=31, ..]                // private
        | [192, 168, ..]                    // private
        | [100, 64..=127, ..] => Reach::Private, // shared by providers and overlays (RFC 6598)
        [0, ..]                             // "this network"
        | [169, 254, ..]                    // link-local, cloud metadata
        | [192, 0, 0 | 2, _]                // protocol assignments, documentation
        | [192, 88, 99, _]                  // 6to4 relays, withdrawn
        | [198, 18 | 19, ..]                // benchmarks
        | [198, 51, 100, _]                 // documentation
        | [203, 0, 113, _]                  // documentation
        | [224..=255, ..] => Reach::Never,  // multicast, reserved, broadcast
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    if let Some(v4) = address.to_ipv4_mapped() {
        return reach_v4(v4);
    }
    if address == Ipv6Addr::LOCALHOST {
        return Reach::Private;
    }
    if address == METADATA_V6 {
        return Reach::Never;
    }
    match address.segments() {
        [0xfc00..=0xfdff, ..] => Reach::Private, // unique local (RFC 4193)
        // A network without IPv4 reaches it through this prefix (RFC 6052); only what is public
        // behind the translation counts as such.
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => match reach_v4(embedded(high, low)) {
            Reach::Public => Reach::Public,
            Reach::Private | Reach::Never => Reach::Never,
        },
        [0x2001, 0x0000..=0x01ff, ..]       // protocol assignments, Teredo, benchmarks
        | [0x2001, 0x0db8, ..]              // documentation
        | [0x2002, ..]                      // 6to4
        | [0x3fff, 0x0000..=0x0fff, ..] => Reach::Never, // documentation
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => Reach::Never,
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
}

/// The address that the host part of a URL spells out, if it is one and not a name. The URL
/// parser has already turned spellings such as `2130706433` or `0x7f.1` into the usual form.
pub(super) fn literal(host: &str) -> Option<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    bare.parse().ok()
}

/// A name had addresses, but none that the call may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no permitted address")
    }
}

impl std::error::Error for Refused {}

/// Looks names up with the system's resolver and drops what the scope does not permit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolver {
    pub(super) scope: Scope,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let scope = self.scope;
        Box::pin(async move {
            // Port 0: the client puts in the port of the URL.
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if found.is_empty() {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            let permitted = permitted(found, scope);
            if permitted.is_empty() {
                return Err(Refused.into());
            }
            let addresses: Addrs = Box::new(permitted.into_iter());
            Ok(addresses)
        })
    }
}

fn permitted(found: Vec<SocketAddr>, scope: Scope) -> Vec<SocketAddr> {
    found
        .into_iter()
        .filter(|address| scope.permits(address.ip()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reaches(text: &str) -> (bool, bool) {
        let address: IpAddr = text.parse().unwrap();
        (
            Scope::Public.permits(address),
            Scope::Internal.permits(address),
        )
    }

    #[test]
    fn public_addresses_are_open_to_all_calls() {
        for text in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "203.0.114.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:200::1",
            "2400:cb00::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ] {
            assert_eq!(reaches(text), (true, true), "{text}");
        }
    }

    #[test]
    fn private_addresses_need_an_internal_call() {
        for text in [
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "::1",
            "fc00::1",
            "fdff::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
        ] {
            assert_eq!(reaches(text), (false, true), "{text}");
        }
    }

    #[test]
    fn some_addresses_are_closed_to_every_call() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "100.100.100.200",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::7f00:1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "fd00:ec2::254",
        ] {
            assert_eq!(reaches(text), (false, false), "{text}");
        }
    }

    #[test]
    fn of_a_name_with_mixed_addresses_only_the_permitted_ones_are_left() {
        let found = vec![
            "10.0.0.1:0".parse().unwrap(),
            "1.1.1.1:0".parse().unwrap(),
            "169.254.169.254:0".parse().unwrap(),
        ];
        let public = vec!["1.1.1.1:0".parse().unwrap()];
        assert_eq!(permitted(found, Scope::Public), public);
    }

    proptest! {
        #[test]
        fn a_mapped_address_is_what_it_maps(bits: u32) {
            let v4 = Ipv4Addr::from(bits);
            for scope in [Scope::Public, Scope::Internal] {
                prop_assert_eq!(
                    scope.permits(v4.into()),
                    scope.permits(v4.to_ipv6_mapped().into())
                );
            }
        }

        #[test]
        fn what_the_public_may_reach_the_internal_may_too(bits: u128) {
            let address = Ipv6Addr::from(bits).into();
            prop_assert!(!Scope::Public.permits(address) || Scope::Internal.permits(address));
        }
    }
}
