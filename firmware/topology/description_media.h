// The fields of "media", as description.h has those of everything else. Internal to topology.
#pragma once

#include "firmware/topology/field.h"

namespace fedge::topology {

template <>
struct Fields<MediaPool> {
  static constexpr std::string_view kWhat =
      "Relay ports: each of the addresses with each port of the range.";
  static std::string key(const MediaPool& p) {
    return p.realm + " " + (p.addresses.empty() ? "" : p.addresses.front().text()) + " " +
           std::to_string(p.first_port);
  }
  template <class V>
  static void each(V&& v) {
    v(Field{"realm", "The realm they are in; for turn that of the outside."}.required().as(
          Format::realm_name),
      &MediaPool::realm);
    v(Field{"addresses", "Addresses of that realm."}.required().not_empty().up_to(64),
      &MediaPool::addresses);
    v(Field{"first_port",
            "Even; left out: 50000 for turn, 60000 for anchor. No port of 10240-49151: there the "
            "kernel makes connections from."}
          .range(1024, 65534)
          .follows(),
      &MediaPool::first_port);
    v(Field{"last_port", "Odd, inclusive; left out: 59999 for turn, 65535 for anchor."}
          .range(1025, 65535)
          .follows(),
      &MediaPool::last_port);
    v(Field{"use", "turn: for clients' allocations; anchor: for anchored calls."}, &MediaPool::use);
  }
  static void complete(MediaPool& p) {
    if (p.first_port == 0) p.first_port = usual_ports(p.use).first;
    if (p.last_port == 0) p.last_port = usual_ports(p.use).last;
  }
};

template <>
struct Fields<PeerRule> {
  static constexpr std::string_view kWhat = "Whether clients may relay to these addresses.";
  static std::string key(const PeerRule& r) { return r.prefix.text(); }
  template <class V>
  static void each(V&& v) {
    v(Field{"prefix", "A network: 10.20.0.0/16, 2001:db8::/32; the longest one decides."}
          .required(),
      &PeerRule::prefix);
    v(Field{"allow",
            "true allows also what is denied without a rule, such as private addresses; own "
            "addresses stay denied."}
          .required(),
      &PeerRule::allow);
  }
};

template <>
struct Fields<MediaQuotas> {
  static constexpr std::string_view kWhat = "What media takes on at most.";
  template <class V>
  static void each(V&& v) {
    v(Field{"sessions",
            "TURN allocations and anchored streams together; 0: what the pools hold. An allocation "
            "takes a port, a stream two on each side."}
          .range(0, kMostMediaSessions),
      &MediaQuotas::sessions);
    v(Field{"sessions_per_user", "Allocations of one user."}.range(1, kMostMediaSessions),
      &MediaQuotas::sessions_per_user);
    v(Field{"sessions_per_source", "Allocations made from one address."}.range(1,
                                                                               kMostMediaSessions),
      &MediaQuotas::sessions_per_source);
    v(Field{"kbps_per_session", "Bandwidth of one allocation, each way, in kbit/s; 0: no limit."}
          .range(0, 10000000),
      &MediaQuotas::kbps_per_session);
    v(Field{"kbps_per_user", "Of all of a user's allocations; 0: no limit."}.range(0, 10000000),
      &MediaQuotas::kbps_per_user);
    v(Field{"kbps_total", "Of everything relayed; 0: no limit."}.range(0, 1000000000),
      &MediaQuotas::kbps_total);
  }
};

template <>
struct Fields<MediaCredentials> {
  static constexpr std::string_view kWhat = "Credentials that are issued for TURN.";
  template <class V>
  static void each(V&& v) {
    v(Field{"minutes", "How long they last, unless less or more is asked for."}.range(
          1, kMostCredentialMinutes),
      &MediaCredentials::minutes);
  }
};

template <>
struct Fields<MediaLifetimes> {
  static constexpr std::string_view kWhat = "How long things of TURN last, in seconds.";
  template <class V>
  static void each(V&& v) {
    v(Field{"allocation_s", "An allocation that is not refreshed, RFC 8656 section 3.2."}.range(
          10, 86400),
      &MediaLifetimes::allocation_s);
    v(Field{"allocation_most_s", "The longest that a client may ask for."}.range(10, 86400),
      &MediaLifetimes::allocation_most_s);
    v(Field{"nonce_s", "A nonce, RFC 8656 section 5."}.range(5, 86400), &MediaLifetimes::nonce_s);
  }
};

template <>
struct Fields<Anchoring> {
  static constexpr std::string_view kWhat = "Calls whose media goes through us (RFC 7362).";
  template <class V>
  static void each(V&& v) {
    v(Field{"silence_s", "A stream without a packet for so long ends; 0: never."}.range(0, 86400),
      &Anchoring::silence_s);
    v(Field{"relatch", "Whether a stream may move to another source, within its prefix."},
      &Anchoring::relatch);
  }
};

template <>
struct Fields<AlternateServer> {
  static constexpr std::string_view kWhat = "Where clients are sent while this edge drains.";
  static std::string key(const AlternateServer& a) { return a.address.text(); }
  template <class V>
  static void each(V&& v) {
    v(Field{"address", "Of another edge, as clients reach it."}.required(),
      &AlternateServer::address);
    v(Field{"port", "Its port for TURN."}.range(1, 65535), &AlternateServer::port);
  }
};

template <>
struct Fields<Media> {
  static constexpr std::string_view kWhat = "TURN, A/V authentication and anchored calls.";
  template <class V>
  static void each(V&& v) {
    v(Field{"certificates",
            "Ids of A/V authentication certificates, usually one: keys of credentials follow from "
            "their private keys, and from those of their staged successors."}
          .as(Format::name)
          .up_to(16),
      &Media::certificates);
    v(Field{"turn_realm",
            "REALM of TURN, at most 20 characters; left out: the appliance's fqdn, of a longer one "
            "the last labels that fit."}
          .as(Format::dns_name),
      &Media::turn_realm);
    v(Field{"pools", "Relay ports."}.up_to(64), &Media::pools);
    v(Field{"peer_rules",
            "Whom clients may relay to, beside the world: without a rule private and other "
            "special addresses are denied."}
          .up_to(1024),
      &Media::peer_rules);
    v(Field{"quotas", "What media takes on at most."}, &Media::quotas);
    v(Field{"credentials", "Credentials that are issued for TURN."}, &Media::credentials);
    v(Field{"lifetimes", "How long things of TURN last."}, &Media::lifetimes);
    v(Field{"anchoring", "Calls whose media goes through us."}, &Media::anchoring);
    v(Field{"draining", "No new allocations; those that are there go on."}, &Media::draining);
    v(Field{"alternate_servers",
            "While draining, clients are sent there (ALTERNATE-SERVER); one of a family."}
          .up_to(2),
      &Media::alternate_servers);
  }
};

}  // namespace fedge::topology
