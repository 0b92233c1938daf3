// FoundationEssentials: folders are made and their modes set with FileManager.
import FoundationEssentials
import Glibc
import Logging
import SyncCore
import SystemPackage
import Testing

@testable import SQLiteQueue

@Suite struct StateDirectoryTests {
    private let parent: FilePath
    private var state: FilePath { parent.appending("a").appending("state") }

    init() throws { parent = try QueueFixture.makeFolder() }

    private func mode(_ path: FilePath) throws -> UInt32 { try StateDirectory.status(path).st_mode & 0o777 }

    private func surroundings(
        machine: String? = "one", network: String? = nil, user: UInt32 = geteuid()
    ) -> StateDirectory.Surroundings {
        StateDirectory.Surroundings(
            machine: machine.map { MachineIdentity(text: $0) }, networkFileSystem: { _ in network }, user: user)
    }

    private func isEmpty(_ state: FilePath) throws -> Bool { try QueueReader(in: state) == nil }

    private func problem(_ body: () throws -> Void) -> StateProblem? {
        do {
            try body()
            return nil
        } catch {
            return error as? StateProblem
        }
    }

    @Test func directoryIsMadePrivate() throws {
        let directory = try StateDirectory.claim(state, in: surroundings())
        #expect(try mode(state) == 0o700)
        #expect(try mode(state.appending("lock")) == 0o600)
        #expect(try mode(state.appending("machine-id")) == 0o600)
        #expect(directory.path == state)
    }

    @Test func databaseAndReceiptsAreTheOwnersAlone() async throws {
        let directory = try StateDirectory.claim(state, in: surroundings())
        let queue = try await SQLiteQueue(in: directory, api: "https://api.example", logger: .quiet)
        try await queue.beginRun([Sample.configured()])
        for name in ["queue.sqlite", "queue.sqlite-wal", "queue.sqlite-shm", "receipts.jsonl"] {
            #expect(try mode(state.appending(name)) & 0o077 == 0, "\(name)")
        }
    }

    @Test func secondHolderIsToldWhoHoldsIt() throws {
        let first = try StateDirectory.claim(state, in: surroundings())
        #expect(StateDirectory.holder(of: state) == getpid())
        let held = problem { _ = try StateDirectory.claim(state, in: surroundings()) }
        #expect(held == .heldByAnother(state, processID: getpid()))
        #expect(held?.exitStatus == 75)
        withExtendedLifetime(first) {}
    }

    @Test func lockEndsWithItsHolder() throws {
        do {
            let first = try StateDirectory.claim(state, in: surroundings())
            withExtendedLifetime(first) {}
        }
        #expect(StateDirectory.holder(of: state) == nil)
        _ = try StateDirectory.claim(state, in: surroundings())
    }

    // MARK: Staying in place

    @Test func `a lock file that is removed lets no second holder in`() throws {
        let first = try StateDirectory.claim(state, in: surroundings())
        try FileManager.default.removeItem(atPath: state.appending("lock").string)
        #expect(StateDirectory.holder(of: state) == 0)
        let held = problem { _ = try StateDirectory.claim(state, in: surroundings()) }
        #expect(held == .heldByAnother(state, processID: nil))
        withExtendedLifetime(first) {}
    }

    @Test func `a directory that stays in its place is not lost`() async throws {
        let directory = try StateDirectory.claim(state, in: surroundings())
        let queue = try await SQLiteQueue(in: directory, api: "https://api.example", logger: .quiet)
        #expect(directory.loss() == nil)
        withExtendedLifetime(queue) {}
    }

    @Test(arguments: ["lock", "queue.sqlite"], [true, false])
    func `a lock or a database that is removed or replaced is lost`(name: String, isReplaced: Bool) async throws {
        let directory = try StateDirectory.claim(state, in: surroundings())
        let queue = try await SQLiteQueue(in: directory, api: "https://api.example", logger: .quiet)
        let file = state.appending(name)
        let other = parent.appending("other")
        try Data().write(to: URL(filePath: other.string))
        if isReplaced {
            #expect(rename(other.string, file.string) == 0)
        } else {
            #expect(unlink(file.string) == 0)
        }
        #expect(directory.loss() == .lost(file, isDirectory: false))
        #expect(await queue.loss()?.kind == .stateUnavailable)
        #expect(StateProblem.lost(file, isDirectory: false).exitStatus == 74)
    }

    @Test(arguments: [true, false])
    func `a directory that is moved away or replaced is lost`(isReplaced: Bool) throws {
        let directory = try StateDirectory.claim(state, in: surroundings())
        #expect(rename(state.string, parent.appending("elsewhere").string) == 0)
        if isReplaced { try StateDirectory.create(state) }
        #expect(directory.loss() == .lost(state, isDirectory: true))
    }

    @Test(arguments: [0o755, 0o750, 0o701, 0o720] as [UInt32]) func openDirectoryIsRefused(mode: UInt32) throws {
        try StateDirectory.create(state)
        chmod(state.string, mode)
        let found = problem { _ = try StateDirectory.claim(state, in: surroundings()) }
        #expect(found == .openToOthers(state, mode: mode))
        #expect(found?.description.contains("chmod 700 \(state)") == true)
        #expect(found?.exitStatus == 74)
    }

    @Test func directoryOfAnotherUserIsRefused() throws {
        try StateDirectory.create(state)
        let found = problem { _ = try StateDirectory.claim(state, in: surroundings(user: geteuid() + 1)) }
        #expect(found == .ownedByAnother(state, user: geteuid(), ours: geteuid() + 1))
        #expect(try StateDirectory.owner(of: state).user == geteuid())
    }

    @Test func clonedDirectoryIsRefusedOnASecondMachine() throws {
        do { _ = try StateDirectory.claim(state, in: surroundings(machine: "one")) }
        let found = problem { _ = try StateDirectory.claim(state, in: surroundings(machine: "two")) }
        #expect(found == .otherMachine(state))
        #expect(found?.remedy.contains("remove the file \(state)/machine-id") == true)
        // The refusal lets the lock go.
        #expect(StateDirectory.holder(of: state) == nil)
        // As the remedy says.
        try FileManager.default.removeItem(atPath: state.appending("machine-id").string)
        _ = try StateDirectory.claim(state, in: surroundings(machine: "two"))
        #expect(
            problem { _ = try StateDirectory.claim(state, in: surroundings(machine: "one")) } == .otherMachine(state))
    }

    @Test func machineWithoutAnIdIsTakenAsItIs() throws {
        do { _ = try StateDirectory.claim(state, in: surroundings(machine: nil)) }
        do { _ = try StateDirectory.claim(state, in: surroundings(machine: "one")) }
        _ = try StateDirectory.claim(state, in: surroundings(machine: nil))
    }

    @Test func machineIdIsReadButNotKept() throws {
        let file = parent.appending("machine-id")
        let id = "0123456789abcdef0123456789abcdef"
        try Data("\(id)\n".utf8).write(to: URL(filePath: file.string))
        let identity = try #require(MachineIdentity.read(file))
        #expect(!identity.text.contains(id))
        #expect(identity == MachineIdentity.read(file))
        try Data("fedcba9876543210fedcba9876543210".utf8).write(to: URL(filePath: file.string))
        #expect(MachineIdentity.read(file) != identity)
        for text in ["", "uninitialized\n"] {
            try Data(text.utf8).write(to: URL(filePath: file.string))
            #expect(MachineIdentity.read(file) == nil)
        }
        #expect(MachineIdentity.read(parent.appending("none")) == nil)
    }

    @Test func networkFileSystemIsRefused() throws {
        let found = problem { _ = try StateDirectory.claim(state, in: surroundings(network: "NFS")) }
        #expect(found == .networkFileSystem(state, kind: "NFS"))
        #expect(found?.summary.contains("network file system (NFS)") == true)
    }

    @Test func networkFileSystemIsFoundInTheMountTable() throws {
        let table = """
            22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
            31 22 0:45 / /data rw,relatime shared:9 master:2 - nfs4 server:/data rw,vers=4.2
            32 22 0:46 / /win rw - cifs //server/share rw
            33 22 259:70000 / /big rw - fuse.sshfs host:/ rw
            """
        func kind(_ major: UInt64, _ minor: UInt64) -> String? {
            let device = (major & 0xFFF) << 8 | (major & ~0xFFF) << 32 | minor & 0xFF | (minor & ~0xFF) << 12
            return FileSystemKind.network(device: device, mountTable: table)
        }
        #expect(kind(8, 1) == nil)
        #expect(kind(0, 45) == "NFS")
        #expect(kind(0, 46) == "SMB")
        #expect(kind(259, 70000) == "fuse.sshfs")
        #expect(kind(0, 99) == nil)
        #expect(try FileSystemKind.network(parent) == nil)
    }

    @Test func readingMakesAndLocksNothing() async throws {
        #expect(problem { try StateDirectory.checkForReading(state, in: surroundings()) } == .missing(state))
        try StateDirectory.create(state)
        #expect(try isEmpty(state))
        #expect(try FileManager.default.contentsOfDirectory(atPath: state.string).isEmpty)
        // The agent was killed before it made its tables.
        try Data().write(to: URL(filePath: state.appending("queue.sqlite").string))
        #expect(try isEmpty(state))
    }

    @Test func fileInPlaceOfTheDirectoryIsRefused() throws {
        let file = parent.appending("file")
        try Data().write(to: URL(filePath: file.string))
        #expect(problem { _ = try StateDirectory.claim(file, in: surroundings()) } == .notADirectory(file))
    }

    @Test func readerSeesWhatTheHolderCommits() async throws {
        let directory = try StateDirectory.claim(state, in: surroundings())
        let queue = try await SQLiteQueue(in: directory, api: "https://api.example", logger: .quiet)
        let reader = try #require(try QueueReader(in: state))
        #expect(try await reader.list(limit: 9).isEmpty)
        _ = try await queue.noteSeen(
            [SeenFile(path: Sample.path("a"), observation: Sample.observation(1), links: 1)],
            in: QueueFixture.weather, lookAgainAfter: .zero, at: QueueFixture.at(1))
        #expect(try await reader.list(limit: 9).map(\.state) == [.settling])
    }

    @Test func readerWorksAfterTheHolderHasEnded() async throws {
        do {
            let directory = try StateDirectory.claim(state, in: surroundings())
            let queue = try await SQLiteQueue(in: directory, api: "https://api.example", logger: .quiet)
            _ = try await queue.noteSeen(
                [SeenFile(path: Sample.path("a"), observation: Sample.observation(1), links: 1)],
                in: QueueFixture.weather, lookAgainAfter: .zero, at: QueueFixture.at(1))
        }
        let reader = try #require(try QueueReader(in: state))
        #expect(try await reader.counts() == [QueueFixture.weather: [.settling: 1]])
    }

    @Test func damagedDatabaseIsToldWithTheWayOut() async throws {
        let directory = try StateDirectory.claim(state, in: surroundings())
        try Data(repeating: 0x5A, count: 8192).write(to: URL(filePath: state.appending("queue.sqlite").string))
        await #expect {
            _ = try await SQLiteQueue(in: directory, api: "https://api.example", logger: .quiet)
        } throws: { error in
            let failure = error as? Failure
            return failure?.kind == .stateUnavailable && failure?.hint?.contains("redivis-sync rebuild") == true
        }
    }
}
