/// An upload that was met where it may be ours.
public struct MetUpload: Hashable, Sendable {
    public let version: TableVersion
    public let upload: RemoteUpload

    public init(_ upload: RemoteUpload, in version: TableVersion) {
        self.upload = upload
        self.version = version
    }
}

/// What is to become of several uploads of one file version.
public struct DuplicateVerdict: Hashable, Sendable {
    /// The one that stays; `nil` where there is none.
    public var kept: MetUpload?
    /// To be taken off the draft, in the order of their ranks.
    public var superfluous: [MetUpload] = []
    /// Also there, in released versions, from which nothing can be taken off.
    public var released: [MetUpload] = []

    public init() {}
}

/// Which of several uploads of one name tag stays.
///
/// The answer depends on the uploads alone, not on who asks or who registered them: every agent that sees the same
/// uploads keeps the same one. An agent that sees only some of them may keep another, but no agent ever takes off the
/// upload that ranks first of all, so that one is left whatever each of them sees.
public enum Duplicates {
    /// - Parameter uploads: all of one name tag, in any order; the same upload may be there twice, as it was met in a
    ///   list and by a request for its uri.
    public static func keep(_ uploads: some Sequence<MetUpload>) -> DuplicateVerdict {
        var verdict = DuplicateVerdict()
        for met in distinct(uploads).sorted(by: { Rank($0) < Rank($1) }) {
            guard verdict.kept != nil else {
                verdict.kept = met
                continue
            }
            switch met.version {
            case .draft: verdict.superfluous.append(met)
            case .released: verdict.released.append(met)
            }
        }
        return verdict
    }

    private struct Place: Hashable {
        let version: TableVersion
        let uri: String
    }

    /// Each upload once, as it was when its import was furthest.
    private static func distinct(_ uploads: some Sequence<MetUpload>) -> [MetUpload] {
        var places: [Place: MetUpload] = [:]
        for met in uploads {
            let place = Place(version: met.version, uri: met.upload.uri)
            if let known = places[place], !(Progress(known) < Progress(met)) { continue }
            places[place] = met
        }
        return Array(places.values)
    }

    /// A good one before a failed one, which has no rows in the table; then a released one, which stays anyway; then one
    /// that the server did not rename; then the order of the uris, shorter ones first: where they end in a number, the older upload has the lower one. The
    /// lists have no order that is documented.
    private struct Rank: Comparable {
        let met: MetUpload
        let numbers: (Int, Int, Int, Int)

        init(_ met: MetUpload) {
            self.met = met
            let isReleased = if case .released = met.version { true } else { false }
            let isRenamed = !UploadName.isTagged(met.upload.name)
            numbers = (
                met.upload.hasFailed ? 1 : 0, isReleased ? 0 : 1, isRenamed ? 1 : 0, met.upload.uri.utf8.count
            )
        }

        static func < (left: Rank, right: Rank) -> Bool {
            guard left.numbers == right.numbers else { return left.numbers < right.numbers }
            let uris = (Array(left.met.upload.uri.utf8), Array(right.met.upload.uri.utf8))
            guard uris.0 == uris.1 else { return uris.0.lexicographicallyPrecedes(uris.1) }
            return left.met.version.sortKey < right.met.version.sortKey
        }

        static func == (left: Rank, right: Rank) -> Bool { !(left < right) && !(right < left) }
    }

    /// How much is known of an import: what ended does not go on again.
    private struct Progress: Comparable {
        let numbers: (Int, Int, Int)
        let words: String

        init(_ met: MetUpload) {
            let upload = met.upload
            numbers = (upload.status.stage, upload.md5 == nil ? 0 : 1, upload.size == nil ? 0 : 1)
            words = "\(upload.name) \(upload.status) \(upload.size ?? -1) \(upload.md5?.hex ?? "")"
        }

        static func < (left: Progress, right: Progress) -> Bool {
            left.numbers == right.numbers ? left.words < right.words : left.numbers < right.numbers
        }

        static func == (left: Progress, right: Progress) -> Bool {
            left.numbers == right.numbers && left.words == right.words
        }
    }
}

extension TableVersion {
    fileprivate var sortKey: String {
        switch self {
        case .draft: ""
        case .released(let tag): tag.description
        }
    }
}

extension RemoteUpload {
    public var hasFailed: Bool { status.stage == 2 }
}

extension RemoteUpload.Status {
    fileprivate var stage: Int {
        switch self {
        case .inProgress: 0
        case .completed: 1
        case .failed: 2
        }
    }
}
