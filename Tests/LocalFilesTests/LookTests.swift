import CLinux
import Glibc
import SyncCore
import SystemPackage
import Testing

@testable import LocalFiles

@Suite("Looking at a path")
struct LookTests {
    let folder: TemporaryFolder
    let reader = LocalSourceReader(threadLimit: 4)

    init() throws {
        folder = try TemporaryFolder()
    }

    private func look(_ path: String) async throws -> FileLook? {
        try await reader.look(at: .of(path), in: folder.path)
    }

    @Test func aRegularFileIsObservedAsStatSaysIt() async throws {
        try folder.write("a.csv", [1, 2, 3])
        var status = stat()
        try check("stat", stat(folder.name("a.csv"), &status))
        let seen = try #require(try await look("a.csv"))
        #expect(seen.observation.inode == UInt64(status.st_ino))
        #expect(seen.observation.device == UInt64(status.st_dev))
        #expect(seen.observation.size == 3)
        #expect(
            seen.observation.modified
                == Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec))
        #expect(seen.links == 1)
        #expect(seen.writers == .nobody)
    }

    @Test(arguments: ["missing.csv", "folder", "folder/missing.csv", "a.csv/below"])
    func whatIsNoRegularFileIsGone(path: String) async throws {
        try folder.makeFolder("folder")
        try folder.write("a.csv", [1])
        #expect(try await look(path) == nil)
    }

    @Test func aFIFOASocketAndADeviceAreNeverOpened() async throws {
        try check("mkfifo", mkfifo(folder.name("fifo"), 0o600))
        try bindSocket("socket")
        var special = ["fifo", "socket"]
        if mknod(folder.name("device"), S_IFCHR | 0o600, dev_t(1 << 8 | 3)) == 0 { special.append("device") }
        // IN_OPEN is what an open for reading would leave behind.
        let notifier = try check("inotify_init1", inotify_init1(Int32(IN_NONBLOCK)))
        defer { close(notifier) }
        for name in special {
            try check("inotify_add_watch", inotify_add_watch(notifier, folder.name(name), UInt32(IN_OPEN)))
            #expect(try await look(name) == nil)
            await #expect { try await reader.open(.of(name), in: folder.path) } throws: {
                ($0 as? Failure)?.kind == .sourceGone
            }
        }
        var buffer = [UInt8](repeating: 0, count: 4096)
        #expect(read(notifier, &buffer, buffer.count) == -1 && errno == EAGAIN, "something was opened")
    }

    private func bindSocket(_ name: String) throws {
        let socket = try check("socket", socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
        defer { close(socket) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: folder.name(name).utf8) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try check("bind", result)
    }

    @Test(arguments: [true, false])
    func linksAreNotFollowedWhereverTheyLead(answersFromCache: Bool) async throws {
        let reader = LocalSourceReader(threadLimit: 4, answersFromCache: answersFromCache)
        try folder.write("known.csv", [1])
        #expect(try await reader.look(at: .of("known.csv"), in: folder.path) != nil)
        try folder.write("target.csv", [1])
        try folder.makeFolder("real")
        try folder.write("real/a.csv", [1])
        try folder.link("target.csv", as: "link.csv")
        try folder.link("self", as: "self")
        try folder.link("..", as: "real/parent")
        try folder.link("b", as: "a")
        try folder.link("a", as: "b")
        try folder.link("nowhere", as: "dangling")
        try folder.link("real", as: "way")
        try folder.link("/etc", as: "etc")
        for path in [
            "link.csv", "self", "self/x", "real/parent", "real/parent/target.csv", "a", "b/c", "dangling",
            "way/a.csv", "etc/passwd",
        ] {
            #expect(try await reader.look(at: .of(path), in: folder.path) == nil, "\(path)")
            await #expect { try await reader.open(.of(path), in: folder.path) } throws: {
                ($0 as? Failure)?.kind == .sourceGone
            }
        }
        #expect(try await reader.look(at: .of("real/a.csv"), in: folder.path) != nil)
    }

    @Test func openingByComponentRefusesTheSame() throws {
        try folder.makeFolder("real")
        try folder.write("real/a.csv", [1])
        try folder.link("real", as: "way")
        try folder.link("a.csv", as: "real/link.csv")
        let root = try OpenFile.folder(folder.path)
        func open(_ path: String, _ opener: (Int32, UnsafePointer<CChar>?, Int, Int32) -> Int32) -> Int32 {
            let result = path.withCString { opener(root.descriptor, $0, path.utf8.count, O_RDONLY) }
            if result >= 0 { close(result) }
            return min(result, 0)
        }
        let cases: [(path: String, both: Int32?)] = [
            ("real/a.csv", 0), ("real/missing", -ENOENT), ("..", -EXDEV), ("real/../real/a.csv", -EXDEV),
            ("./real", -EXDEV), ("real//a.csv", -EINVAL), ("/real", -EINVAL), ("real/", -EINVAL), ("", -EINVAL),
            ("real/link.csv", -ELOOP), ("way/a.csv", nil),
        ]
        for (path, expected) in cases {
            let stepwise = open(path, clinux_open_beneath_stepwise)
            let direct = open(path, clinux_open_beneath)
            if let expected {
                #expect(stepwise == expected, "\(path)")
                #expect(direct == expected, "\(path)")
            } else {
                // A link on the way: the two calls have different names for it, and one meaning.
                #expect(FileTrouble.kind(of: -stepwise) == .sourceGone)
                #expect(FileTrouble.kind(of: -direct) == .sourceGone)
            }
        }
    }

    @Test(arguments: [true, false])
    func aFolderSwappedForALinkWhileOpeningLeadsNowhere(answersFromCache: Bool) async throws {
        let reader = LocalSourceReader(threadLimit: 4, answersFromCache: answersFromCache)
        let outside = try TemporaryFolder()
        try outside.write("data.csv", Array("outside".utf8))
        try folder.makeFolder("a")
        try folder.write("a/data.csv", Array("inside".utf8))
        let inside = try #require(try await look("a/data.csv")).observation
        let flag = Flag()
        defer { flag.raise() }
        let (link, aside, target) = (folder.name("a"), folder.name("aside"), outside.path.string)
        // A thread of its own: Swift's are as few as there are processors, and this one never gives way.
        let disturber = WorkerThreads(limit: 1, silence: .silent)
        disturber.submit {
            while !flag.isRaised {
                _ = rename(link, aside)
                _ = symlink(target, link)
                _ = unlink(link)
                _ = rename(aside, link)
            }
        }
        var found = 0
        for _ in 0..<2000 {
            if let seen = try await reader.look(at: .of("a/data.csv"), in: folder.path) {
                #expect(seen.observation.isSameFile(as: inside))
                found += 1
            }
            if let source = try? await reader.open(.of("a/data.csv"), in: folder.path) {
                for try await slice in await source.read(to: 6) { #expect(slice == Array("inside".utf8)) }
                await source.close()
            }
        }
        // Its one thread does this when it has ended, and only then may the folder be removed.
        flag.raise()
        try await disturber.run {}
        print("swapped folder: found inside in \(found) of 2000 looks")
    }

    @Test func hardLinksShowTheirCountAndOneInode() async throws {
        try folder.write("a.csv", [1])
        try check("link", Glibc.link(folder.name("a.csv"), folder.name("b.csv")))
        let (a, b) = (try #require(try await look("a.csv")), try #require(try await look("b.csv")))
        #expect(a == b)
        #expect(a.links == 2)
    }

    @Test func everyByteThatANameCanHoldIsFound() async throws {
        for byte in UInt8(1)...255 where byte != UInt8(ascii: "/") {
            for name in [[byte], [0x78, byte, 0x79]] where name != [UInt8(ascii: ".")] {
                try folder.create(name, [byte])
                let seen = try await reader.look(at: .of(name), in: folder.path)
                #expect(seen?.observation.size == 1, "byte \(byte)")
            }
        }
    }

    @Test func namesOf255BytesAndPathsBeyondPathMaxAreFound() async throws {
        let name = [UInt8](repeating: 0xE9, count: 255)
        let above = [UInt8](repeating: 0xE8, count: 255)
        let deep = Array(repeatElement(above, count: 40).joined(separator: [UInt8(ascii: "/")]))
        #expect(deep.count > 2 * 4096)
        for path in [name, deep] {
            try folder.create(path, [1, 2])
            #expect(try await reader.look(at: .of(path), in: folder.path)?.observation.size == 2)
            let source = try await reader.open(.of(path), in: folder.path)
            #expect(try await source.observe().size == 2)
            await source.close()
        }
    }

    @Test func whatIsCachedOnADiskOfThisMachineNeedsNoThread() async throws {
        try folder.write("a.csv", [1, 2, 3])
        let devices = LocalDevices(isUsed: true)
        #expect(devices.cachedFolder(folder.path) == nil, "nothing is known yet")
        let root = try OpenFile.folder(folder.path)
        guard clinux_is_local(root.descriptor) != 0 else { return }
        devices.learn(from: root)
        let cached = try #require(devices.cachedFolder(folder.path))
        // A name that was just looked at is in the kernel's cache.
        #expect(throws: Never.self) { try cached.beneath(.of("a.csv"), flags: O_RDONLY).get() }
        // /proc is no disk: never answered from the cache.
        devices.learn(from: try OpenFile.folder("/proc"))
        #expect(devices.cachedFolder("/proc") == nil)
    }

    // MARK: Writers

    @Test(arguments: [true, false])
    func aWriterIsSeenAndForgottenWhenItCloses(answersFromCache: Bool) async throws {
        let reader = LocalSourceReader(threadLimit: 4, answersFromCache: answersFromCache)
        func look(_ path: String) async throws -> FileLook? {
            try await reader.look(at: .of(path), in: folder.path)
        }
        try folder.write("a.csv", [1])
        let writer = try check("open", open(folder.name("a.csv"), O_WRONLY))
        #expect(try await look("a.csv")?.writers == .somebody)
        close(writer)
        #expect(try await look("a.csv")?.writers == .nobody)
        // The lease is given back: a writer that would not wait gets in.
        let next = open(folder.name("a.csv"), O_WRONLY | O_NONBLOCK)
        #expect(next >= 0)
        close(next)
    }

    @Test func readersAreNoWriters() async throws {
        try folder.write("a.csv", [1])
        let other = try check("open", open(folder.name("a.csv"), O_RDONLY))
        defer { close(other) }
        let source = try await reader.open(.of("a.csv"), in: folder.path)
        #expect(try await look("a.csv")?.writers == .nobody)
        await source.close()
    }

    @Test func aWritableSharedMappingIsSeenAfterItsDescriptorIsClosed() async throws {
        try folder.write("a.csv", [UInt8](repeating: 1, count: 4096))
        let file = try check("open", open(folder.name("a.csv"), O_RDWR))
        let mapping = mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
        close(file)
        #expect(mapping != MAP_FAILED)
        #expect(try await look("a.csv")?.writers == .somebody)
        munmap(mapping, 4096)
        #expect(try await look("a.csv")?.writers == .nobody)
    }

    @Test func aLeaseBrokenInTheMomentOfTheProbeDoesNotEndTheProgram() async throws {
        try folder.write("a.csv", [1])
        let name = folder.name("a.csv")
        let flag = Flag()
        defer { flag.raise() }
        let disturber = WorkerThreads(limit: 1, silence: .silent)
        disturber.submit {
            while !flag.isRaised {
                let writer = open(name, O_WRONLY)
                if writer >= 0 { close(writer) }
            }
        }
        var seen: Set<WriterProbe> = []
        for _ in 0..<5000 { seen.insert(try #require(try await look("a.csv")).writers) }
        #expect(seen == [.nobody, .somebody])
    }

    @Test(.enabled(if: geteuid() != 0, "root is given a lease on every file"))
    func anotherUsersFileHasNoLeaseToGive() async throws {
        #expect(try await reader.look(at: .of("passwd"), in: "/etc")?.writers == .unavailable)
    }

    @Test(arguments: [
        (Int32(0), WriterProbe.nobody), (EAGAIN, .somebody), (EACCES, .unavailable), (EINVAL, .unavailable),
        (ENOLCK, .unavailable), (EOPNOTSUPP, .unavailable),
    ])
    func theProbesAnswersMean(code: Int32, meaning: WriterProbe) {
        #expect(WriterLease.probe(from: code) == meaning)
    }

    // MARK: Trouble

    @Test func aFileThatMayNotBeReadIsUnreadableWithTheRemedy() async throws {
        // Its mode is 0200, which the kernel holds even root to; as an ordinary user a mode of 0 does the same.
        await #expect {
            _ = try await reader.look(at: .of("drop_caches"), in: "/proc/sys/vm")
        } throws: { error in
            guard let failure = error as? Failure else { return false }
            return failure.kind == .unreadable && failure.scope == .delivery
                && failure.summary.contains("/proc/sys/vm/drop_caches")
                && failure.summary.contains("ermission denied") && failure.hint != nil
        }
    }

    @Test(arguments: [
        (ENOENT, Failure.Kind.sourceGone), (ENOTDIR, .sourceGone), (ELOOP, .sourceGone), (ESTALE, .sourceGone),
        (EXDEV, .sourceGone), (EACCES, .unreadable), (EIO, .unreadable), (EMFILE, .transient), (ENOMEM, .transient),
        (EAGAIN, .transient),
    ])
    func errorNumbersAreSortedByRemedy(code: Int32, kind: Failure.Kind) throws {
        let failure = FileTrouble.failure(code, "open", try .of("a\nb"), in: "/data")
        #expect(failure.kind == kind)
        #expect(failure.summary.contains("/data/a\\x0ab"))
    }

    @Test func aMissingFolderConcernsTheWholeMapping() async throws {
        try folder.write("file", [1])
        let missing: [FilePath] = [folder.path.appending("missing"), folder.path.appending("file")]
        for place in missing {
            func isFolderTrouble(_ error: (any Error)?) -> Bool {
                guard let failure = error as? Failure else { return false }
                return failure.kind == .sourceGone && failure.scope == .destination && failure.hint != nil
            }
            #expect(isFolderTrouble(await reader.problem(with: place)))
            await #expect { _ = try await reader.look(at: .of("a"), in: place) } throws: { isFolderTrouble($0) }
            await #expect { _ = try await reader.open(.of("a"), in: place) } throws: { isFolderTrouble($0) }
        }
        #expect(await reader.problem(with: folder.path) == nil)
    }

    @Test func theFolderItselfMayBeReachedByALink() async throws {
        try folder.makeFolder("real")
        try folder.write("real/a.csv", [1])
        try folder.link("real", as: "way")
        #expect(await reader.problem(with: folder.path.appending("way")) == nil)
        #expect(try await reader.look(at: .of("a.csv"), in: folder.path.appending("way")) != nil)
    }
}
