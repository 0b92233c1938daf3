import Glibc

/// Variables that name a proxy. Their values may hold passwords and are never shown.
struct ProxyFacts: Hashable, Sendable {
    /// Those that are set.
    var names: [String] = []
    /// Whether Redivis was reached without one; `nil` where that was not tried.
    var isReached: Bool?

    static let known = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]

    static func now(isReached: Bool?) -> ProxyFacts {
        let set = known.filter { name in getenv(name).map { $0.pointee != 0 } ?? false }
        return ProxyFacts(names: set, isReached: isReached)
    }

    var check: DoctorCheck {
        guard !names.isEmpty else { return .ok(.proxy, "no variable names one; none would be used") }
        let finding =
            "\(names.joined(separator: ", ")) \(names.count == 1 ? "is" : "are") set and not used: this program connects directly"
        switch isReached {
        case true?: return .ok(.proxy, "\(finding), which works")
        case false?:
            return .problem(
                .proxy, "\(finding), which does not work",
                "let this machine connect to Redivis and its storage host directly, past the proxy")
        case nil:
            return .warning(.proxy, finding, "see that this machine may connect to Redivis directly")
        }
    }
}
