/// One walk through the uploads of a table: what is requested next, and when it is over. A value: whoever carries it out
/// asks for the next step, and tells what was answered. After a request that failed the step is still the next one, so
/// that a walk goes on at the page where it failed.
///
/// A release in the middle moves uploads from the draft to a version that was listed before, or not yet, where neither
/// listing would meet them: the walk begins again then.
public struct TableWalk: Hashable, Sendable {
    public enum Step: Hashable, Sendable {
        case table
        case list(TableVersion, page: String?)
        case over
    }

    /// Where a page stands in the listing of its version.
    public struct Place: Hashable, Sendable {
        public let version: TableVersion
        public let isFirst: Bool
        public let isLast: Bool
    }

    /// The draft, and the versions released after this one, are listed; `nil`: all.
    public let releasedAfter: VersionTag?
    /// Whether what it does not show was not there. That takes the table's versions, before and after; a walk that only
    /// looks for what is very likely in the draft does without.
    public let isProof: Bool
    public private(set) var next: Step
    /// As last told.
    public private(set) var table: RemoteTable?
    public private(set) var pages = 0
    private var left: [TableVersion] = []
    private var isFirst = true
    private var phase: Phase

    private enum Phase: Hashable {
        /// The draft, before it is known which versions there are.
        case glancing
        case opening
        case listing
        /// Whether the versions are still those that were listed.
        case confirming
    }

    public init(releasedAfter: VersionTag?, isProof: Bool) {
        self.releasedAfter = releasedAfter
        self.isProof = isProof
        next = isProof ? .table : .list(.draft, page: nil)
        phase = isProof ? .opening : .glancing
    }

    /// Whether a page was taken: what fails after it is worth going on with.
    public var hasBegun: Bool { pages > 0 }

    public mutating func take(_ answer: RemoteTable) {
        guard next == .table else { return }
        let before = table
        table = answer
        if phase == .confirming, let before, before.hasDraft == answer.hasDraft, before.released == answer.released {
            return next = .over
        }
        phase = .listing
        left = answer.versions(releasedAfter: releasedAfter)
        // A glance has listed the draft already.
        if !isProof { left.removeAll { $0 == .draft } }
        goOn()
    }

    /// - Returns: where the page stands; `nil` for an answer that was not asked for.
    public mutating func take(_ answer: UploadPage) -> Place? {
        guard case .list(let version, _) = next else { return nil }
        pages += 1
        let place = Place(version: version, isFirst: isFirst, isLast: answer.nextPage == nil)
        isFirst = false
        if let page = answer.nextPage {
            next = .list(version, page: page)
        } else {
            goOn()
        }
        return place
    }

    /// Nobody wants to know more.
    public mutating func end() { next = .over }

    private mutating func goOn() {
        isFirst = true
        if !left.isEmpty {
            next = .list(left.removeFirst(), page: nil)
        } else if phase == .glancing {
            (phase, next) = (.opening, .table)
        } else if isProof {
            (phase, next) = (.confirming, .table)
        } else {
            next = .over
        }
    }
}

extension RemoteTable {
    /// The draft, where one is open, and the versions released after `newest` (all where it is `nil`).
    public func versions(releasedAfter newest: VersionTag?) -> [TableVersion] {
        let since = released.filter { tag in newest.map { tag > $0 } ?? true }
        return (hasDraft ? [.draft] : []) + since.map { .released($0) }
    }
}
