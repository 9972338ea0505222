// SPDX-License-Identifier: Apache-2.0
#include "run/node_address.hpp"

#include "common/errors.hpp"

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

namespace packkit::train {
namespace {

constexpr const char* loopback = "127.0.0.1";

bool names_loopback(const std::string& host) {
    return host == "localhost" || host == "::1" || host.starts_with("127.");
}

/// "" for what has no numeric form.
std::string numeric(const sockaddr* address, socklen_t size) {
    char text[NI_MAXHOST];
    const bool known =
        getnameinfo(address, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0;
    return known ? text : "";
}

/// The address that the system gives a socket which speaks to `to`; "" if it has none.
std::string own_address(const addrinfo& to) {
    // A datagram socket: connecting chooses a route and sends nothing.
    const int descriptor = ::socket(to.ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return "";
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    auto* generic = reinterpret_cast<sockaddr*>(&own);
    const bool routed = ::connect(descriptor, to.ai_addr, to.ai_addrlen) == 0 &&
                        ::getsockname(descriptor, generic, &size) == 0;
    ::close(descriptor);
    return routed ? numeric(generic, size) : "";
}

/// The first address of an interface that is up and no loopback, IPv4 before IPv6; "" if
/// there is none.
std::string first_interface() {
    ifaddrs* found = nullptr;
    if (getifaddrs(&found) != 0) return "";
    const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> list(found, freeifaddrs);
    for (const int family : {AF_INET, AF_INET6}) {
        for (const ifaddrs* each = list.get(); each != nullptr; each = each->ifa_next) {
            const bool serves =
                each->ifa_addr != nullptr && each->ifa_addr->sa_family == family &&
                (each->ifa_flags & IFF_UP) != 0 && (each->ifa_flags & IFF_LOOPBACK) == 0;
            if (!serves) continue;
            return numeric(each->ifa_addr, family == AF_INET ? sizeof(sockaddr_in)
                                                             : sizeof(sockaddr_in6));
        }
    }
    return "";
}

}  // namespace

std::string address_towards(const std::string& host, std::uint16_t port) {
    if (names_loopback(host)) return loopback;
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* found = nullptr;
    if (const int fault =
            getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found)) {
        throw app::usage_error("environment variable MASTER_ADDR",
                               host + ": " + gai_strerror(fault) +
                                   "; expected the name or address of rank 0's node");
    }
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> list(found, freeaddrinfo);
    std::string own;
    for (const addrinfo* each = list.get(); each != nullptr; each = each->ai_next) {
        own = own_address(*each);
        if (!own.empty() && !names_loopback(own)) return own;
    }
    own = first_interface();
    return own.empty() ? loopback : own;
}

}  // namespace packkit::train
