import SyncCore

/// Values of keys that this version reads and does not act on.
enum LaterValues {
    static func read(_ text: String, as kind: ValueKind) throws(SpellingProblem) -> SettingValue {
        switch kind {
        case .listener:
            return try word(text, ["off"], "off, or an address as in 127.0.0.1:8384", else: WebAddress.isHostAndPort)
        case .webAddress: return try word(text, [], "an address that begins with https://", else: WebAddress.isWeb)
        case .release:
            return try word(text, ["never", "when_idle"], #"never, when_idle, or a time as in "02:00""#, else: isTime)
        case .window: return try word(text, ["always"], #"always, or two times as in "20:00-06:00""#, else: isWindow)
        case .bandwidth: return try bandwidth(text)
        case .createTable:
            return text == "false"
                ? .flag(false)
                : try word(text, [], "false, or {merge_strategy: append}") { _ in false }
        default: return try word(text, ["keep"], "keep, {move: /data/done} or {delete_after: 7d}") { _ in false }
        }
    }

    private static func word(
        _ text: String, _ words: [String], _ remedy: String, else isValid: (String) -> Bool
    ) throws(SpellingProblem) -> SettingValue {
        if words.contains(text) || isValid(text) { return .text(text) }
        throw SpellingProblem(
            "`\(text)` is not known here", instead: "write \(Spelling.nearest(to: text, in: words) ?? remedy)")
    }

    private static func bandwidth(_ text: String) throws(SpellingProblem) -> SettingValue {
        if text == "unlimited" { return .text(text) }
        guard text.hasSuffix("/s"), let rate = try? ByteSize.parse(String(text.dropLast(2))), rate > 0 else {
            throw SpellingProblem("`\(text)` is no rate", instead: "write unlimited, or a rate as in 20MB/s")
        }
        return .number(rate)
    }

    static func isTime(_ text: some StringProtocol) -> Bool {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.count == 2 }), let hour = Int(parts[0]),
            let minute = Int(parts[1])
        else { return false }
        return (0..<24).contains(hour) && (0..<60).contains(minute)
    }

    private static func isWindow(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        return parts.count == 2 && parts.allSatisfy { isTime($0) }
    }
}
