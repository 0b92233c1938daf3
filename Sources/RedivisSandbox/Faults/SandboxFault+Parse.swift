extension SandboxFault {
    /// What is wrong with a fault's text form, and what to write instead.
    public struct ParseError: Error, CustomStringConvertible, Sendable {
        public var description: String
    }

    /// Reads `CLASS:WHEN:ACTION[,MODIFIER…]`. CLASS is a ``RequestClass``, `any-api`, `any-storage` or `any`; WHEN is
    /// `3`, `2-5`, `4+` or `*`. Throws ``ParseError``.
    public init(_ text: String) throws(ParseError) {
        let parts = text.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3 else {
            throw ParseError(
                description: "fault \(text): write CLASS:WHEN:ACTION, such as post-uploads:2:lose-reply")
        }
        target = try Self.target(parts[0])
        guard let occurrences = Self.occurrences(parts[1]) else {
            throw ParseError(description: "fault \(text): WHEN is \(parts[1]); write 3, 2-5, 4+ or *")
        }
        self.occurrences = occurrences
        action = try Self.action(parts[2])
        if let wanted = action.misses(target) {
            throw ParseError(description: "fault \(text): this action is for \(wanted)")
        }
    }

    private static func target(_ text: String) throws(ParseError) -> Target {
        switch text {
        case "any-api": return .anyAPI
        case "any-storage": return .anyStorage
        case "any": return .any
        default:
            guard let request = RequestClass(rawValue: text) else {
                let names = RequestClass.allCases.map(\.rawValue) + ["any-api", "any-storage", "any"]
                throw ParseError(
                    description: "fault at \(text): no such request; there are \(names.joined(separator: ", "))")
            }
            return .one(request)
        }
    }

    private static func occurrences(_ text: String) -> Occurrences? {
        if text == "*" { return .from(1) }
        if text.hasSuffix("+") { return count(text.dropLast()).map { .from($0) } }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard (1...2).contains(ends.count), let first = count(ends[0]), let last = count(ends[ends.count - 1]),
            first <= last
        else { return nil }
        return .range(first...last)
    }

    private static func count(_ text: some StringProtocol) -> Int? {
        guard let number = ContentRange.digits(text), (1...1_000_000_000).contains(number) else { return nil }
        return Int(number)
    }

    private static func action(_ text: String) throws(ParseError) -> Action {
        let name = text.prefix { $0 != "=" && $0 != "," }
        let rest = text.dropFirst(name.count)
        if let status = ContentRange.digits(name) {
            return try self.status(Int(clamping: status), modifiers: rest, in: text)
        }
        guard let form = FaultForm.all[String(name)] else {
            throw ParseError(
                description: "fault action \(text): not known; there are "
                    + "\((FaultForm.all.map { $0.value.written($0.key) }.sorted() + ["400…599"]).joined(separator: ", "))"
            )
        }
        guard let action = form.read(rest) else {
            throw ParseError(description: "fault action \(text): write \(form.written(String(name)))")
        }
        return action
    }

    private static func status(
        _ status: Int, modifiers: Substring, in text: String
    ) throws(ParseError) -> Action {
        guard (400...599).contains(status) else {
            throw ParseError(description: "fault action \(text): a status is between 400 and 599")
        }
        var afterwards = false
        var once = false
        var rest = modifiers.dropFirst()
        while !rest.isEmpty {
            // A date has commas of its own, so retry-after comes last and takes all that is left.
            if rest.hasPrefix("retry-after=") {
                let value = String(rest.dropFirst("retry-after=".count))
                guard value.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) else {
                    throw ParseError(description: "fault action \(text): retry-after takes printable ASCII")
                }
                return .request(.status(status, afterwards: afterwards, once: once, retryAfter: value))
            }
            let modifier = rest.prefix { $0 != "," }
            switch modifier {
            case "after": afterwards = true
            case "once": once = true
            default:
                throw ParseError(
                    description: "fault action \(text): \(modifier) is not known; there are after, once, retry-after=…")
            }
            rest = rest.dropFirst(modifier.count + 1)
        }
        return .request(.status(status, afterwards: afterwards, once: once, retryAfter: nil))
    }
}
