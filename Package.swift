// swift-tools-version: 6.2
import PackageDescription

/// Every target is built in Swift 6 mode, and a warning ends the build.
let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

// Products, named once, so that the table of targets below reads as the house: who may import whom.
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let httpClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioFoundationCompat = Target.Dependency.product(name: "NIOFoundationCompat", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(
    _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = [], resources: [Resource] = []
) -> Target {
    .testTarget(
        name: name + "Tests", dependencies: [.byName(name: name), "SyncTestSupport"] + dependencies,
        exclude: exclude, resources: resources, swiftSettings: strict)
}

let package = Package(
    name: "redivis-sync",
    products: [
        .executable(name: "redivis-sync", targets: ["redivis-sync"])
    ],
    // Exact versions: Package.resolved is not kept, so this list is what makes a build repeatable.
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        .package(url: "https://github.com/apple/swift-system", exact: "1.8.1"),
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
    ],
    targets: [
        // Rank 0: the pure core, and the few C headers that Swift's Glibc module lacks.
        .target(name: "CLinux"),
        library("SyncCore", [crypto, system]),

        // Rank 1: adapters and services. They never import one another.
        library("FolderWatch", ["SyncCore", "CLinux", logging, system]),
        library("LocalFiles", ["SyncCore", "CLinux", crypto, logging, system]),
        library("SQLiteQueue", ["SyncCore", grdb, crypto, logging, system]),
        library(
            "RedivisAPI",
            ["SyncCore", httpClient, logging, nioCore, nioFoundationCompat, nioHTTP1, nioPosix, nioSSL]),
        library("MappingConfig", ["SyncCore", logging, system, yams]),
        library("SyncEngine", ["SyncCore", logging]),
        library("StatusServer", ["SyncCore", nioCore, nioHTTP1, nioPosix, system]),
        library("RedivisSandbox", [crypto, hummingbird, logging, nioCore, nioHTTP1, nioPosix]),

        // Rank 2: commands, exit codes, and the one file that names all concrete types.
        library(
            "RedivisSyncCLI",
            [
                "SyncCore", "CLinux", "FolderWatch", "LocalFiles", "SQLiteQueue", "RedivisAPI", "MappingConfig",
                "SyncEngine", "StatusServer", "RedivisSandbox", argumentParser, httpClient, logging, nioCore, nioHTTP1,
                serviceLifecycle, system, unixSignals,
            ]),

        // Rank 3: the entry point.
        .executableTarget(name: "redivis-sync", dependencies: ["RedivisSyncCLI"], swiftSettings: strict),

        .target(
            name: "SyncTestSupport", dependencies: ["SyncCore", crypto, logging, system], path: "Tests/SyncTestSupport",
            swiftSettings: strict),
        // Whole agents in a world of their own: one thread, virtual time, every order drawn from a seed.
        .target(name: "CSimulator", path: "Tests/CSimulator", linkerSettings: [.linkedLibrary("sqlite3")]),
        .target(
            name: "SyncSimulator",
            dependencies: [
                "SyncCore", "SyncEngine", "SQLiteQueue", "FolderWatch", "RedivisSyncCLI", "SyncTestSupport",
                "CSimulator", crypto, grdb, logging, system,
            ], path: "Tests/SyncSimulator", swiftSettings: strict),
        .executableTarget(
            name: "sync-simulator", dependencies: ["SyncSimulator", argumentParser], path: "Tests/SyncSimulatorProgram",
            swiftSettings: strict),
        tests("SyncSimulator", ["SyncCore", "FolderWatch", system], exclude: ["Scenarios"]),
        tests("SyncCore", [system], exclude: ["Scenarios", "Golden"]),
        tests("FolderWatch", ["SyncCore", system]),
        tests("LocalFiles", ["SyncCore", "CLinux", crypto, system]),
        // A VFS for SQLite that knows what a power failure would leave.
        .target(name: "CPowerLoss", path: "Tests/CPowerLoss", linkerSettings: [.linkedLibrary("sqlite3")]),
        tests("SQLiteQueue", ["SyncCore", "CPowerLoss", grdb, logging, system], resources: [.copy("Golden")]),
        tests("RedivisAPI", ["SyncCore", "RedivisSandbox", logging, nioCore, nioHTTP1, nioPosix, nioSSL]),
        tests("MappingConfig", ["SyncCore", system]),
        tests("SyncEngine", ["SyncCore", "SQLiteQueue", "LocalFiles", "FolderWatch", logging, system]),
        tests("StatusServer", ["SyncCore", system]),
        tests("RedivisSandbox", [], resources: [.copy("Transcripts")]),
        tests(
            "RedivisSyncCLI",
            [
                "SyncCore", "SQLiteQueue", "StatusServer", "LocalFiles", "RedivisAPI", "MappingConfig", argumentParser,
                logging,
                system,
            ]),
    ]
)
