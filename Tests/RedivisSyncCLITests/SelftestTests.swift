import FoundationEssentials
import Glibc
import SyncCore
import SystemPackage
import Testing

@testable import RedivisSyncCLI

@Suite struct DrillJudgementTests {
    private static func file(_ name: String, _ text: String) -> FedFile {
        let bytes = Array(text.utf8)
        return FedFile(path: Array(name.utf8), size: Int64(bytes.count), sha256: .sha256(of: bytes))
    }

    private static func upload(
        _ name: String, _ text: String, status: String = "completed", isDeleted: Bool = false
    ) -> ArrivedUpload {
        let bytes = Array(text.utf8)
        return ArrivedUpload(
            name: name, status: status, isDeleted: isDeleted, size: Int64(bytes.count), sha256: .sha256(of: bytes))
    }

    private let fed = [file("a.csv", "one"), file("b.csv", "two"), file("empty.csv", "")]
    private let arrived = [upload("a-1.csv", "one"), upload("b-2.csv", "two"), upload("empty-3.csv", "")]

    @Test func everyContentOnceIsNoProblem() {
        #expect(DrillJudgement(fed: fed, arrived: arrived).problems.isEmpty)
        #expect(DrillJudgement(fed: fed, arrived: arrived.reversed()).problems.isEmpty)
    }

    @Test(arguments: [0, 1, 2])
    func eachMissingFileIsNamed(index: Int) {
        var arrived = arrived
        arrived.remove(at: index)
        #expect(DrillJudgement(fed: fed, arrived: arrived).problems == [.missing(fed[index])])
    }

    @Test(arguments: [0, 1, 2])
    func eachDoubledFileIsNamedWithItsUploads(index: Int) {
        let copy = arrived[index]
        let second = ArrivedUpload(
            name: copy.name + " (1)", status: "completed", isDeleted: false, size: copy.size, sha256: copy.sha256)
        #expect(
            DrillJudgement(fed: fed, arrived: arrived + [second]).problems
                == [.doubled(fed[index], [copy.name, second.name])])
    }

    @Test func aSecondRegistrationIsOneTooManyAlsoWhereItWasTakenOffAgain() {
        let second = Self.upload("a-1.csv", "one", isDeleted: true)
        #expect(
            DrillJudgement(fed: fed, arrived: arrived + [second]).problems == [
                .doubled(fed[0], ["a-1.csv", "a-1.csv"])
            ])
    }

    @Test func anUploadThatWasTakenOffLeavesItsFileMissing() {
        let arrived = [Self.upload("a-1.csv", "one", isDeleted: true)] + arrived.dropFirst()
        #expect(DrillJudgement(fed: fed, arrived: arrived).problems == [.missing(fed[0])])
    }

    @Test(arguments: ["onE", "on", "one1", "onetwo", ""])
    func otherBytesUnderTheRightNameAreMissingAndForeign(text: String) {
        let wrong = Self.upload("a-1.csv", text)
        let problems = DrillJudgement(fed: Array(fed.prefix(2)), arrived: [wrong, arrived[1]]).problems
        #expect(problems == [.missing(fed[0]), .foreign(wrong)])
    }

    @Test func bytesThatCannotBeReadAreForeign() {
        let lost = ArrivedUpload(name: "a-1.csv", status: "completed", isDeleted: false, size: 0, sha256: nil)
        let problems = DrillJudgement(fed: fed, arrived: [lost] + arrived.dropFirst()).problems
        #expect(problems == [.missing(fed[0]), .foreign(lost)])
    }

    @Test(arguments: ["queued", "failed"])
    func anUploadWithoutAGoodEndIsNamed(status: String) {
        let unfinished = Self.upload("a-1.csv", "one", status: status)
        let problems = DrillJudgement(fed: fed, arrived: [unfinished] + arrived.dropFirst()).problems
        #expect(problems == [.missing(fed[0]), .unfinished(unfinished)])
    }

    @Test func nothingAtAllIsEveryFileMissing() {
        #expect(DrillJudgement(fed: fed, arrived: []).problems == fed.map { .missing($0) })
    }
}

@Suite struct ArrivedUploadsTests {
    private let folder: TemporaryFolder
    private let uploads: ArrivedUploads

    init() throws {
        folder = try TemporaryFolder()
        uploads = ArrivedUploads(directory: folder.path)
        for name in ["registrations", "objects"] { try FolderContents.makeFolders(folder.path.appending(name)) }
    }

    private func register(_ number: Int, object: String, deleted: Bool = false, status: String = "completed") throws {
        try folder.write(
            "registrations/\(number).json",
            #"{"number":\#(number),"name":"n\#(number)","status":"\#(status)","deleted":\#(deleted),"#
                + #""object":"\#(object)","size":3,"more":null}"#)
    }

    @Test func readsTheDocumentedLayout() throws {
        try folder.write("objects/s-1", "one")
        try folder.write("objects/p-2", "three")
        try register(100_001, object: "s-1")
        try register(100_002, object: "p-2", deleted: true, status: "failed")
        try folder.write("registrations/100003.json.new", "half")
        let all = try uploads.all()
        #expect(all.map(\.name) == ["n100001", "n100002"])
        #expect(all.map(\.sha256) == [Digest.sha256(of: Array("one".utf8)), Digest.sha256(of: Array("three".utf8))])
        #expect(all.map(\.isDeleted) == [false, true])
        #expect(all.map(\.status) == ["completed", "failed"])
        #expect(all.map(\.size) == [3, 5])
        #expect(uploads.largestObject() == 5)
    }

    @Test(arguments: ["s-missing", "../objects/s-1", "..", ""])
    func anObjectThatIsNotThereHasNoBytes(object: String) throws {
        try folder.write("objects/s-1", "one")
        try register(1, object: object)
        #expect(try uploads.all().map(\.sha256) == [nil])
    }

    @Test func whatIsNoRegistrationIsAnError() throws {
        try folder.write("registrations/1.json", "{}")
        #expect(throws: DecodingError.self) { try uploads.all() }
    }
}

@Suite struct DrillReportTests {
    private static let missing = DrillJudgement(
        fed: [FedFile(path: Array("caf".utf8) + [0xE9], size: 5, sha256: .sha256(of: []))], arrived: [])

    @Test func aStepThatFailsFailsTheDrill() {
        var report = DrillReport()
        report.add(.init(step: .sandbox, verdict: .passed, finding: "listens"))
        #expect(report.verdict == .passed)
        report.add(.init(step: .stop, verdict: .failed, finding: "it ended with 1"))
        report.judge(DrillJudgement(fed: [], arrived: []), of: [])
        report.keep("/tmp/kept")
        #expect(report.verdict == .failed)
        #expect(report.summary == "the drill failed at the step stop; everything is kept in /tmp/kept")
    }

    @Test func aProblemFailsTheDrillAndNamesTheFile() {
        var report = DrillReport()
        report.judge(Self.missing, of: [FedFile(path: [], size: 5, sha256: .sha256(of: []))])
        #expect(report.verdict == .failed)
        #expect(report.problems.map(\.told) == [#"missing: caf\xe9: no upload has its content of 5 B"#])
        #expect(report.problems.map(\.pathBase64) == ["Y2Fm6Q=="])
        #expect(report.summary.hasPrefix("not every byte arrived exactly once: 1 problem"))
    }

    @Test func namesOfUploadsAreSafeOnATerminal() {
        let upload = ArrivedUpload(name: nasty, status: "completed", isDeleted: false, size: 1, sha256: nil)
        var report = DrillReport()
        report.judge(DrillJudgement(fed: [], arrived: [upload]), of: [])
        #expect(report.problems.allSatisfy { isSafe($0.told.printable) && !$0.told.printable.contains("\n") })
    }
}

@Suite struct ChildProcessTests {
    /// Made by the rules of `man 2 wait`: the status in the second byte, or the signal in the first.
    @Test(arguments: [(0, 0), (1, 0x100), (78, 0x4E00), (255, 0xFF00)])
    func anExitIsReadFromTheWaitStatus(status: Int32, word: Int32) {
        #expect(ChildProcess.Ending(waitStatus: word) == .exited(status))
    }

    @Test(arguments: [(SIGKILL, SIGKILL), (SIGSEGV, SIGSEGV | 0x80)])
    func aSignalIsReadFromTheWaitStatus(signal: Int32, word: Int32) {
        #expect(ChildProcess.Ending(waitStatus: word) == .killed(signal: signal))
    }
}

@Suite struct FolderContentsTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test func aTreeIsRemovedWithNamesOfAnyBytesAndNoLinkIsFollowed() throws {
        let kept = folder.path.appending("kept/file")
        try FolderContents.write([1, 2, 3], to: kept)
        let tree = folder.path.appending("tree")
        try FolderContents.write([], to: tree.appending(FilePath(bytes: [0x61, 0xE9, 0x0A]).components))
        try FolderContents.write([], to: tree.appending("a/b/c"))
        let link = tree.appending("link")
        #expect(
            folder.path.appending("kept").withPlatformString { kept in link.withPlatformString { symlink(kept, $0) } }
                == 0)
        try FolderContents.remove(tree)
        #expect(try FolderContents.names(in: folder.path) == [Array("kept".utf8)])
        #expect(try FolderContents.read(kept) == [1, 2, 3])
    }

    @Test func nothingIsWrittenOverAFile() throws {
        let path = folder.path.appending("file")
        try FolderContents.write([1], to: path)
        #expect(throws: Errno.fileExists) { try FolderContents.write([2], to: path) }
        #expect(try FolderContents.read(path) == [1])
    }
}
