import SyncCore
import SyncTestSupport
import Testing

struct DuplicatesTests {
    private static let name = "a-0123456789ab.csv"
    private static let released = TableVersion.released(VersionTag(major: 1, minor: 0))

    private static func met(
        _ uri: String, _ status: RemoteUpload.Status = .completed, in version: TableVersion = .draft,
        name: String = name
    ) -> MetUpload {
        MetUpload(RemoteUpload(uri: uri, name: name, status: status, size: 1, md5: nil), in: version)
    }

    @Test func `what is released stays, and the draft's goes`() {
        let verdict = Duplicates.keep([Self.met("uploads/1"), Self.met("uploads/2", in: Self.released)])
        #expect(verdict.kept == Self.met("uploads/2", in: Self.released))
        #expect(verdict.superfluous == [Self.met("uploads/1")])
    }

    @Test func `a failed one goes, also where it is released`() {
        let verdict = Duplicates.keep([Self.met("uploads/2"), Self.met("uploads/1", .failed("no"), in: Self.released)])
        #expect(verdict.kept == Self.met("uploads/2"))
        #expect(verdict.released == [Self.met("uploads/1", .failed("no"), in: Self.released)])
        #expect(
            Duplicates.keep([Self.met("uploads/2"), Self.met("uploads/1", .failed("no"))]).kept?.upload.uri
                == "uploads/2")
    }

    @Test func `of equals the one with the lower number stays, and one that was not renamed`() {
        #expect(Duplicates.keep([Self.met("uploads/10"), Self.met("uploads/9")]).kept == Self.met("uploads/9"))
        let renamed = Self.met("uploads/1", name: "a-0123456789ab (1).csv")
        #expect(Duplicates.keep([renamed, Self.met("uploads/2")]).superfluous == [renamed])
    }

    @Test func `one upload met twice is one`() {
        let verdict = Duplicates.keep([
            Self.met("uploads/1", .inProgress), Self.met("uploads/1"), Self.met("uploads/1"),
        ])
        #expect(verdict.kept == Self.met("uploads/1") && verdict.superfluous.isEmpty && verdict.released.isEmpty)
        #expect(Duplicates.keep([]) == DuplicateVerdict())
    }

    // MARK: Laws, for any uploads

    private static func draw(_ random: inout SeededRandom) -> [MetUpload] {
        let statuses: [RemoteUpload.Status] = [.completed, .completed, .inProgress, .failed("no")]
        return (0..<Int.random(in: 0...6, using: &random)).map { _ in
            let status = statuses.randomElement(using: &random) ?? .completed
            let number = Int.random(in: 1...12, using: &random)
            // An upload has one version and one name.
            return met(
                "uploads/\(number)", status, in: number % 4 == 0 ? released : .draft,
                name: number % 5 == 0 ? "a-0123456789ab (1).csv" : name)
        }
    }

    private static func everything(_ verdict: DuplicateVerdict) -> [MetUpload] {
        [verdict.kept].compactMap { $0 } + verdict.superfluous + verdict.released
    }

    @Test(arguments: 0..<400 as Range<UInt64>)
    func `the answer does not depend on the order, and loses nothing`(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let uploads = Self.draw(&random)
        let verdict = Duplicates.keep(uploads)
        #expect(Duplicates.keep(uploads.shuffled(using: &random)) == verdict)
        #expect(Duplicates.keep(uploads + uploads) == verdict)
        #expect(Set(Self.everything(verdict).map(\.upload.uri)) == Set(uploads.map(\.upload.uri)))
        #expect(Self.everything(verdict).count == Set(uploads.map(\.upload.uri)).count)
        #expect((verdict.kept == nil) == uploads.isEmpty)
    }

    @Test(arguments: 0..<400 as Range<UInt64>)
    func `agents that see parts never take off what is kept of the whole`(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        // Imports that are over: every agent sees them alike.
        let all = Duplicates.keep(Self.draw(&random))
        let whole = Self.everything(all).filter { $0.upload.status != .inProgress }
        let kept = Duplicates.keep(whole).kept
        let one = whole.filter { _ in Bool.random(using: &random) }
        let other = whole.filter { _ in Bool.random(using: &random) }
        let both = Duplicates.keep(one + other).kept
        for part in [one, other] { #expect(!Duplicates.keep(part).superfluous.contains { $0 == kept }) }
        let winners = [one, other].compactMap { Duplicates.keep($0).kept }
        #expect(Duplicates.keep(winners).kept == both)
    }
}
