import SyncCore
import SystemPackage
import Testing

@testable import FolderWatch
@testable import SyncSimulator

@Suite("Watching the virtual kernel")
struct KernelWatcherTests {
    /// A watch on /root of a virtual kernel, or on a folder of this machine.
    private struct Side: Sendable {
        let act: @Sendable (KernelAct) -> Int32
        let center: WatchCenter
        let watch: FolderWatch
        /// Whether everything that was done is read.
        let isRead: @Sendable () -> Bool

        /// What is told of the acts, once nothing is left to be read or listed.
        func told(_ acts: [KernelAct]) async throws -> [FolderEvent] {
            for act in acts { #expect(self.act(act) == 0, "\(act)") }
            var calm = 0
            while calm < 5 {
                try await Task.sleep(for: .milliseconds(2))
                let isListed = center.state.withLock { state in
                    state.agenda.isAsleep && state.agenda.urgentCount == 0 && state.moves.isEmpty
                        && state.discards.isEmpty && state.folders.values.allSatisfy { $0.walk == nil }
                }
                calm = isRead() && isListed ? calm + 1 : 0
            }
            watch.stop()
            var events: [FolderEvent] = []
            while let batch = await watch.nextBatch() { events += batch }
            return events
        }
    }

    private struct Virtual: Sendable {
        let side: Side
        let process: VirtualProcess
        let watcher: KernelWatcher
        let running: Task<Void, Never>

        /// What is told of the acts, then of the end of the watcher.
        func told(_ acts: [KernelAct]) async throws -> [FolderEvent] {
            let told = try await side.told(acts)
            running.cancel()
            await running.value
            return told
        }
    }

    private static func virtual(
        _ before: [KernelAct], _ options: VirtualKernel.Options = VirtualKernel.Options()
    ) async throws -> Virtual {
        let folder = UncheckedValue(VirtualFolder(isWatched: false, options))
        for act in before { _ = folder.value.act(act) }
        let process = folder.value.kernel.makeProcess()
        let watcher = try KernelWatcher(process, gate: OpenGate(), clock: HastyClock())
        let running = Task(executorPreference: OneAtATime.current) { await watcher.run() }
        let watch = try await watcher.watch("/root", recursive: true) { $0.name.elementsEqual("skipped".utf8) }
        let side = Side(
            act: { folder.value.code($0) }, center: watcher.inner.center, watch: watch, isRead: { watcher.isIdle })
        return Virtual(side: side, process: process, watcher: watcher, running: running)
    }

    private static func real(_ before: [KernelAct]) async throws -> (Side, InotifyFolderWatcher) {
        let folder = UncheckedValue(try RealFolder())
        for act in before { _ = folder.value.act(act) }
        let watcher = try InotifyFolderWatcher(clock: HastyClock())
        let watch = try await watcher.watch(FilePath(folder.value.root), recursive: true) {
            $0.name.elementsEqual("skipped".utf8)
        }
        return (
            Side(act: { folder.value.code($0) }, center: watcher.center, watch: watch, isRead: { true }), watcher
        )
    }

    private struct UncheckedValue<Value>: @unchecked Sendable {
        // Unchecked: each is used by one task at a time.
        let value: Value

        init(_ value: Value) { self.value = value }
    }

    static let cases: [(before: [KernelAct], acts: [KernelAct])] = [
        ([], [.write("a", 2)]),
        ([.write("a", 2)], [.append("a"), .unlink("a")]),
        ([.write("a", 2)], [.rename("a", "b")]),
        ([.write("a", 2), .write("b", 2)], [.rename("a", "b")]),
        ([.write("a", 2), .write("b", 2)], [.exchange("a", "b")]),
        ([.write("a", 2), .makeDirectory("d")], [.link("a", "d/b")]),
        ([.write("a", 2)], [.makeLink("l", "a")]),
        ([], [.open("a"), .rename("a", "b"), .close]),
        ([], [.open("a"), .unlink("a"), .close]),
        ([.makeDirectory("d"), .write("d/a", 1)], [.rename("d", "e")]),
        ([.makeDirectory("d/e"), .write("d/e/a", 1), .makeDirectory("f")], [.rename("d/e", "f/g")]),
        ([.makeDirectory("d"), .makeDirectory("e"), .write("d/a", 1)], [.exchange("d", "e")]),
        ([.makeDirectory("d"), .write("d/a", 1)], [.unlink("d/a"), .removeDirectory("d")]),
        ([.makeDirectory("skipped/d"), .write("skipped/d/a", 1)], [.rename("skipped/d", "d")]),
        ([.makeDirectory("d/e"), .write("d/e/a", 1), .makeDirectory("skipped")], [.rename("d", "skipped/d")]),
        ([.makeDirectory("skipped")], [.write("skipped/a", 1)]),
        ([.makeDirectory("d"), .makeDirectory("e")], [.rename("d", "e")]),
    ]

    @Test(arguments: cases.indices) func `the same is told of the same acts as on this machine`(_ index: Int)
        async throws
    {
        let (before, acts) = Self.cases[index]
        let (real, watcher) = try await Self.real(before)
        let expected = try await real.told(acts)
        let told = try await OneAtATime.run { try await Self.virtual(before).told(acts) }
        #expect(Set(told) == Set(expected))
        withExtendedLifetime(watcher) {}
    }

    @Test func `a mount below the folder asks for a scan`() async throws {
        let told = try await OneAtATime.run { () -> [FolderEvent] in
            let virtual = try await Self.virtual([.makeDirectory("d")])
            let kernel = virtual.process.kernel
            kernel.mount(kernel.makeDevice(number: 8), at: "/root/d")
            return try await virtual.told([.write("d/a", 1)])
        }
        #expect(told.contains(.mustRescan(.mountsChanged)))
    }

    @Test func `a full queue asks for a scan`() async throws {
        let told = try await OneAtATime.run {
            try await Self.virtual([], VirtualKernel.Options(queueLimit: 4)).told("abcd".map { .write("\($0)", 1) })
        }
        #expect(told.contains(.mustRescan(.overflow)))
    }

    @Test func `directories beyond the limit of watches are polled`() async throws {
        let told = try await OneAtATime.run {
            try await Self.virtual([.makeDirectory("d/e/f")], VirtualKernel.Options(watchLimit: 2)).told([])
        }
        let gap = WatchGap.limit(WatchLimit(sysctl: "fs.inotify.max_user_watches", value: 2, needed: 4))
        #expect(told == [.modeChanged(.partial(watched: 2, unwatched: 2, gap))])
    }

    @Test func `what comes in the middle of an errand is told`() async throws {
        let path = try RelativePath.of("d/late")
        let told = try await OneAtATime.run { () -> [FolderEvent] in
            let virtual = try await Self.virtual([])
            let process = virtual.process
            process.beforeCall = { [unowned process] call in
                guard call == .readEntries else { return 0 }
                process.beforeCall = nil
                return process.kernel.writeFile("/root/d/late", [1])
            }
            return try await virtual.told([.makeDirectory("d")])
        }
        #expect(told.contains(.closedAfterWriting(path)) || told.contains(.appeared(path)))
    }

    @Test func `a directory that cannot be entered is set aside until it can`() async throws {
        let told = try await OneAtATime.run { () -> [FolderEvent] in
            let virtual = try await Self.virtual([.makeDirectory("d"), .write("d/a", 1)])
            let kernel = virtual.process.kernel
            kernel.setReadable(false, "/root/d")
            kernel.rename("/root/d", to: "/root/e")
            while !virtual.watcher.isIdle { try await Task.sleep(for: .milliseconds(1)) }
            #expect(virtual.side.watch.status.unreadable.map(\.path.description) == ["e"])
            kernel.setReadable(true, "/root/e")
            virtual.watcher.retryUnwatched()
            return try await virtual.told([])
        }
        #expect(told.contains(.appeared(try .of("e/a"))))
    }

    @Test func `a killed process ends its tasks and its watches`() async throws {
        try await OneAtATime.run {
            let virtual = try await Self.virtual([.makeDirectory("d")])
            #expect(virtual.process.kernel.watchCount == 2)
            virtual.process.kill()
            await virtual.running.value
            #expect(virtual.process.kernel.watchCount == 0)
            #expect(virtual.side.act(.write("a", 1)) == 0)
        }
    }

    @Test func `a folder that is moved says so`() async throws {
        let told = try await OneAtATime.run { () -> [FolderEvent] in
            let virtual = try await Self.virtual([])
            virtual.process.kernel.rename("/root", to: "/other")
            return try await virtual.told([])
        }
        #expect(told.last == .folderGone(.moved))
    }
}
