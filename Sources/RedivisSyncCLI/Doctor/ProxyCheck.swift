import RedivisAPI

/// By which way Redivis is reached, and what the variables that name a proxy have to do with it. Passwords in them are
/// never shown.
struct ProxyFacts: Hashable, Sendable {
    /// The proxy that is used for hosts that are not excepted, as "HTTPS_PROXY (proxy.example.org:3128)".
    var used: String?
    /// Whether Redivis itself is reached by way of it.
    var serves = false
    /// Variables that are set, name a proxy, and have no say.
    var idle: [String] = []
    /// Whether Redivis was reached; `nil` where that was not tried.
    var isReached: Bool?

    /// Other programs read them; plain http goes to this machine only, and that is never reached by way of a proxy.
    static let others = ["http_proxy", "HTTP_PROXY"]

    static func now(_ remote: RedivisRemote, isReached: Bool?) -> ProxyFacts {
        let set = [String: String].ofThisProcess(ProxySettings.variables + others).filter { !$0.value.isEmpty }
        let proxy = remote.proxies.proxy
        return ProxyFacts(
            used: proxy.map { "\($0.variable) (\($0.place))" }, serves: remote.serverProxy != nil,
            idle: (ProxySettings.variables + others).filter { set[$0] != nil && $0 != proxy?.variable },
            isReached: isReached)
    }

    private var rest: String {
        guard !idle.isEmpty else { return "" }
        return "; \(idle.joined(separator: ", ")) \(idle.count == 1 ? "is" : "are") set and not used"
    }

    var check: DoctorCheck {
        guard let used else {
            return .ok(.proxy, idle.isEmpty ? "none is named" : "none is used" + rest)
        }
        guard serves else {
            return .ok(.proxy, "\(used) is not used for Redivis: NO_PROXY, or an address of this machine" + rest)
        }
        switch isReached {
        case true?: return .ok(.proxy, "\(used) leads to Redivis" + rest)
        case false?:
            return .problem(
                .proxy, "\(used) does not lead to Redivis" + rest,
                "ask who runs the proxy, or name Redivis and its storage host in NO_PROXY if they can be reached without"
            )
        case nil: return .warning(.proxy, "\(used) would be used" + rest, "see whether it leads to Redivis")
        }
    }
}
